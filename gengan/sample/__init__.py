"""Draws pictures from a trained run, given its folder alone.

python -m gengan.sample --workdir=runs/dcgan --num=64 --out=grid.png
python -m gengan.sample --workdir=runs/conditional_dcgan --by_class --truncation=0.7
python -m gengan.sample --workdir=runs/dcgan --interpolate=10 --out=walk.png
python -m gengan.sample --workdir=runs/dcgan --interpolate=30 --num=16 --out=walk.gif
"""

import argparse
import math
import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from gengan import config, core
from gengan.config import arguments
from gengan.core import Algorithm, PyTree, State
from gengan.data import images

MOST = 10_000  # images in a picture
SUFFIXES = ('.png', *images.ANIMATION_SUFFIXES)


def truncate(latents: PyTree, psi: float) -> PyTree:
  """Pulls latents of a zero-mean prior towards that mean: psi * z.

  This is the truncation psi of Karras et al. 2019 (appendix B: mean + psi * (w - mean)) with the prior's mean of 0,
  the reduced temperature of Kingma & Dhariwal 2018. It is not the truncation trick of Brock et al. 2019, which draws
  again whatever lies beyond a threshold; both trade variety for fidelity.

  Raises:
    ValueError: psi outside (0, 1], or latents that are not float (codes have no mean to be pulled to).
  """
  if not 0 < psi <= 1:
    raise ValueError(f'truncation must be in (0, 1], not {psi}')
  return core.scale_latents(latents, psi)


def decode(
  algorithm: Algorithm, state: State, latents: PyTree, labels: np.ndarray, *, batch_size: int = 64
) -> np.ndarray:
  """Images of any number of latents, a batch at a time: [N, H, W, C] float32 on the host."""
  count, compiled, parts = len(labels), jax.jit(algorithm.decode), []
  latents = jax.device_get(latents)
  for start in range(0, count, batch_size):
    # Indices beyond the end repeat the last one, so that every batch has one shape and compiles once.
    rows = np.minimum(np.arange(start, start + min(batch_size, count)), count - 1)
    batch = compiled(state, jax.tree.map(lambda z, rows=rows: z[rows], latents), labels[rows])
    parts.append(np.asarray(batch, np.float32)[: count - start])
  return np.concatenate(parts)


def sample_images(
  algorithm: Algorithm,
  state: State,
  key: jax.Array,
  *,
  labels: Sequence[int],
  truncation: float = 1.0,
  batch_size: int = 64,
) -> np.ndarray:
  """One image for every label: [N, H, W, C] float32 in [-1, 1]; see `truncate` for `truncation`."""
  labels = np.asarray(labels, np.int32)
  latents = truncate(jax.jit(algorithm.prior)(state, key, labels), truncation)
  return decode(algorithm, state, latents, labels, batch_size=batch_size)


def sample_grid(
  algorithm: Algorithm,
  state: State,
  key: jax.Array,
  *,
  labels: Sequence[int],
  columns: int | None = None,
  row_labels: Sequence[str] = (),
  truncation: float = 1.0,
) -> np.ndarray:
  """One image for every label, row by row in one picture [H, W, C] uint8."""
  samples = sample_images(algorithm, state, key, labels=labels, truncation=truncation)
  return images.grid(samples, columns=columns, row_labels=row_labels, scale=visible_scale(samples))


def sample_walks(
  algorithm: Algorithm,
  state: State,
  key: jax.Array,
  *,
  labels: Sequence[int],
  num: int,
  truncation: float = 1.0,
  path: str = 'spherical',
  batch_size: int = 64,
) -> np.ndarray:
  """One walk of `num` images between two random latents for every label: [N, num, H, W, C] float32 in [-1, 1]."""
  labels = np.asarray(labels, np.int32)
  count = len(labels)
  ends = jax.jit(algorithm.prior)(state, key, np.concatenate([labels, labels]))
  ends = jax.device_get(truncate(ends, truncation))
  start, end = jax.tree.map(lambda z: z[:count], ends), jax.tree.map(lambda z: z[count:], ends)
  walks = images.interpolate(start, end, num, path=path)
  flat = jax.tree.map(lambda z: z.reshape(count * num, *z.shape[2:]), walks)
  decoded = decode(algorithm, state, flat, labels.repeat(num), batch_size=batch_size)
  return decoded.reshape(count, num, *decoded.shape[1:])


def visible_scale(samples: np.ndarray) -> int:
  """By how much to enlarge images so that a person sees them: to about 64 pixels, never less than once."""
  return max(1, 64 // samples.shape[-3])


def choose_labels(num: int, *, classes: Sequence[int], num_classes: int) -> np.ndarray:
  """Labels of at least `num` images: an equal number of each class, or all classes in turn when none is named."""
  if classes:
    return np.repeat(np.asarray(classes, np.int32), math.ceil(num / len(classes)))
  return np.arange(num, dtype=np.int32) % max(num_classes, 1)


def main(argv: Sequence[str] | None = None) -> None:
  """The command line; exits with code 2 and one line where a flag or the run is unusable."""
  parser = _parser()
  args = parser.parse_args(argv)
  try:
    _check(args)
    from gengan import runs  # here, for a mistaken flag is told before orbax is imported

    run = runs.load(args.workdir, checkpoint=args.checkpoint, ema=args.ema)
    _draw(args, run, _classes(args, run))
  except (ValueError, OSError) as error:
    parser.error(str(error))
  weights = 'averaged weights' if args.ema else 'weights as trained'
  print(f'{args.out}: samples of step {run.step} ({weights}, seed {args.seed}, truncation {args.truncation:g})')


def _animated(args: argparse.Namespace) -> bool:
  return args.out.suffix.lower() in images.ANIMATION_SUFFIXES


def _draw(args: argparse.Namespace, run, classes: Sequence[int]) -> None:
  animated = _animated(args)
  key = jax.random.key(args.seed)
  num = math.ceil(args.num / args.interpolate) if args.interpolate and not animated else args.num
  labels = choose_labels(num, classes=classes, num_classes=run.num_classes)
  shared = {'labels': labels, 'truncation': args.truncation}
  layout = {
    'columns': len(labels) // len(classes) if classes else None,
    'row_labels': [run.class_names[label] for label in classes],
  }
  if not args.interpolate:
    pictures = [sample_grid(run.algorithm, run.state, key, **shared, **layout)]
  else:
    walks = sample_walks(run.algorithm, run.state, key, **shared, num=args.interpolate)
    scale = visible_scale(walks)
    if animated:  # all walks at once, there and back, so that it has no jump
      frames = [images.grid(frame, scale=scale, **layout) for frame in walks.swapaxes(0, 1)]
      pictures = frames + frames[-2:0:-1]
    else:
      names = [run.class_names[label] for label in labels] if classes else ()
      flat = walks.reshape(-1, *walks.shape[2:])
      pictures = [images.grid(flat, columns=args.interpolate, scale=scale, row_labels=names)]
  if animated:
    images.save_animation(args.out, pictures)
  else:
    about = {'step': run.step, 'seed': args.seed, 'truncation': args.truncation, 'ema': args.ema}
    images.save_png(args.out, pictures[0], text={f'gengan.{name}': str(value) for name, value in about.items()})


def _parser() -> arguments.Parser:
  parser = arguments.parser('sample', __doc__)
  arguments.add_run(parser)
  add = parser.add_argument
  add('--num', type=int, default=64, help='images; rounded up to whole rows (default 64)')
  add(
    '--out',
    type=pathlib.Path,
    default=pathlib.Path('grid.png'),
    help=f'one of {", ".join(SUFFIXES)} (default grid.png)',
  )
  add('--by_class', type=arguments.boolean, nargs='?', const=True, default=False, help='a labelled row for every class')
  add('--labels', type=arguments.labels, default=[], help='a labelled row for each of these classes, such as 0,1,2')
  add('--truncation', type=float, default=1.0, help='latents times this, in (0, 1]: fewer, safer images (default 1)')
  add('--interpolate', type=int, default=0, help='walks of this many images between random latents (default 0: none)')
  return parser


def _check(args: argparse.Namespace) -> None:
  """What can be said before the run is opened."""
  if not 1 <= args.num <= MOST:
    raise ValueError(
      f'--num is {args.num}; it must be from 1 to {MOST}. gengan.generate makes more, not in one picture'
    )
  if args.interpolate and not 2 <= args.interpolate <= MOST:
    raise ValueError(f'--interpolate is {args.interpolate}; a walk has from 2 to {MOST} images')
  if args.interpolate and args.num * args.interpolate > MOST and _animated(args):
    raise ValueError(
      f'--num is {args.num} and --interpolate {args.interpolate}: an animation has at most {MOST} images in its frames'
    )
  if not 0 < args.truncation <= 1:
    raise ValueError(f'--truncation is {args.truncation}; it must be in (0, 1]')
  if args.out.suffix.lower() not in SUFFIXES:
    raise ValueError(f'--out is {args.out}; its suffix must be one of {", ".join(SUFFIXES)}')
  if args.out.is_dir():
    raise ValueError(f'--out is {args.out}, which is a folder; it must be a file')
  if args.by_class and args.labels:
    raise ValueError('--by_class takes all classes and --labels some; give one of them')
  arguments.check_run(args.workdir)
  config.require_writable(args.out.parent, flag='the folder of --out')


def _classes(args: argparse.Namespace, run) -> list[int]:
  """The classes that have rows of their own; none without --by_class and --labels."""
  if not args.by_class and not args.labels:
    return []
  if not run.config.model.get('conditional', True) or run.num_classes < 1:
    raise ValueError(f'{args.workdir} holds an unconditional model: it has no classes for --by_class and --labels')
  if outside := [label for label in args.labels if not 0 <= label < run.num_classes]:
    raise ValueError(f'--labels has {outside[0]}; the classes of this run are 0 to {run.num_classes - 1}')
  return args.labels or list(range(run.num_classes))
