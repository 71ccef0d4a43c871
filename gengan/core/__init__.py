"""The types that everything else is written against, and what every builder of an algorithm shares."""

from gengan.core.building import (
  advance,
  averaging,
  axis_size,
  check_ema,
  check_steps,
  ema,
  ema_decay,
  forward,
  init_state,
  local_key,
  local_rows,
  pmean,
  update,
  value_at,
  variables,
  with_trained_weights,
)
from gengan.core.latents import linear, spherical, truncated
from gengan.core.types import (
  FIRST_STAGE,
  Algorithm,
  Batch,
  Decode,
  Interpolate,
  Metrics,
  Prior,
  PyTree,
  ScalarOrSchedule,
  Settle,
  State,
  sample,
  settled,
  walk,
)
from gengan.host.errors import ArgumentError
