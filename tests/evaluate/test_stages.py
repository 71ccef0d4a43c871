"""What is told while an evaluation goes on."""

import io
import os
import pty

import pytest

from gengan.evaluate import stages


class Clock:
  now = 0.0

  def __call__(self):
    return self.now


def lines_of(calls):
  """The lines that a log file has after calls of (seconds, stage, done, of)."""
  stream, clock = io.StringIO(), Clock()
  with stages.telling(stream, clock) as tell:
    for clock.now, *call in calls:
      tell(*call)
  return stream.getvalue().splitlines()


def test_a_log_file_has_a_line_a_stage_and_one_every_half_minute_with_the_time_left():
  found = lines_of(
    [
      (0, 'reading'),
      (5, 'generating', 1000, 5000),
      (15, 'generating', 2000, 5000),
      (35, 'generating', 3000, 5000),
      (36, 'drawing'),
      (37, 'generating', 10, 20),
    ]
  )
  # 2,000 in the 30 seconds from the first report on, so that 2,000 more take as long
  assert found == [
    'reading',
    'generating (1,000 of 5,000)',
    'generating (3,000 of 5,000), 0:30 left',
    'drawing',
    'generating (10 of 20)',
  ]


def test_a_terminal_has_one_line_that_is_gone_at_the_end():
  ours, theirs = pty.openpty()
  with os.fdopen(theirs, 'w') as stream, stages.telling(stream) as tell:
    tell('counting [sheep]', 1, 2)
    seen = ''
    while 'counting [sheep] (1 of 2)' not in seen:
      seen += os.read(ours, 4096).decode()
  rest = os.read(ours, 4096).decode()
  os.close(ours)
  assert '\n' not in seen and rest.rstrip().endswith(('\x1b[2K', '\x1b[?25h'))


@pytest.mark.parametrize('seconds, text', [(0.4, '0:00'), (65, '1:05'), (7200, '2:00:00'), (-3, '0:00')])
def test_durations(seconds, text):
  assert stages.duration(seconds) == text
