"""What was written is read back: by json, by TensorBoard's own reader, and from a stream that says it is a terminal."""

import importlib
import io
import json
import os
import re
import sys
import threading
import types
from inspect import signature

import jax.numpy as jnp
import numpy as np
import pytest

from configs import dcgan
from gengan import train
from gengan.train import writers


def read(path):
  def refuse(constant):
    raise AssertionError(f'{constant} is not JSON')

  return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding='utf-8').splitlines()]


def test_json_lines_hold_every_metric_as_valid_json(tmp_path):
  path = tmp_path / 'new' / 'metrics.jsonl'
  with writers.JsonLinesWriter(path, batch_size=64) as writer:
    writer.write_scalars(np.int64(10), {'d_loss': jnp.float32(1.5), 'g_loss': np.float64(0.25), 'n': 3})
    writer.write_scalars(20, {'a': float('nan'), 'b': float('inf'), 'c': jnp.float32(-jnp.inf)})
    lines = read(path)  # before closing: a killed run loses nothing that it reported
  assert [line.pop('time') > 1.7e9 for line in lines] == [True, True]
  assert lines[0] == {'step': 10, 'kimg': 0.64, 'd_loss': 1.5, 'g_loss': 0.25, 'n': 3.0}
  assert lines[1] == {'step': 20, 'kimg': 1.28, 'a': 'NaN', 'b': 'Infinity', 'c': '-Infinity'}
  assert np.isnan(float(lines[1]['a'])) and float(lines[1]['c']) == -np.inf


def test_a_continued_run_has_each_step_once(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  straight = [(step, step / 7) for step in range(1, 9)]
  writer = writers.JsonLinesWriter(path, batch_size=1)
  for step, loss in straight[:6]:
    writer.write_scalars(step, {'loss': loss})
  with open(path, 'a') as file:
    file.write('{"step": 4, "lo')  # killed while writing
  with writers.JsonLinesWriter(path, batch_size=1, resume_step=4) as writer:
    for step, loss in straight[4:]:
      writer.write_scalars(step, {'loss': loss})
  assert [(line['step'], line['loss']) for line in read(path)] == straight
  assert list(tmp_path.iterdir()) == [path]
  writers.JsonLinesWriter(path, batch_size=1).close()
  assert read(path) == []
  path.unlink()
  os.mkfifo(path)
  with pytest.raises(ValueError, match=r'the metrics: .*metrics\.jsonl is a pipe'):
    writers.JsonLinesWriter(path, batch_size=1, resume_step=4)


@pytest.mark.parametrize('value', [np.zeros(2), jnp.zeros((1,)), [1.0, 2.0], 'high', 1j, None])
def test_what_is_no_scalar_is_named(tmp_path, value):
  with (
    writers.JsonLinesWriter(tmp_path / 'metrics.jsonl', batch_size=1) as writer,
    pytest.raises(ValueError, match="metric 'd_loss' must be one real number"),
  ):
    writer.write_scalars(1, {'d_loss': value})
  assert read(tmp_path / 'metrics.jsonl') == []


def test_names_of_the_line_itself_are_taken(tmp_path):
  with (
    writers.JsonLinesWriter(tmp_path / 'metrics.jsonl', batch_size=1) as writer,
    pytest.raises(ValueError, match='cannot be named step'),
  ):
    writer.write_scalars(1, {'step': 1})


def event_accumulator(directory):
  module = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
  accumulator = module.EventAccumulator(str(directory), size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
  return accumulator.Reload()


def test_tensorboard_reads_scalars_images_texts_and_hyperparameters(tmp_path):
  image = np.linspace(-1, 1, 5 * 6 * 3, dtype=np.float32).reshape(5, 6, 3)
  with writers.TensorBoardWriter(tmp_path) as writer:
    writer.write_hparams({'batch_size': 64, 'loss': 'hinge', 'ema': True, 'sizes': (4, 8)})
    writer.write_scalars(1, {'d_loss': jnp.float32(0.5)})
    writer.write_scalars(2, {'d_loss': 0.25})
    writer.write_images(2, {'one': image, 'grid': np.stack([image] * 3)})
    writer.write_texts(2, {'warning': 'collapse'})
  events = event_accumulator(tmp_path)
  assert [(event.step, event.value) for event in events.Scalars('d_loss')] == [(1, 0.5), (2, 0.25)]

  from PIL import Image

  png = Image.open(io.BytesIO(events.Images('one')[0].encoded_image_string))
  np.testing.assert_array_equal(np.asarray(png), np.floor((image + 1) * 127.5 + 0.5))
  assert Image.open(io.BytesIO(events.Images('grid')[0].encoded_image_string)).size == (2 * 8 + 2, 2 * 7 + 2)
  assert events.Tensors('warning/text_summary')[0].tensor_proto.string_val == [b'collapse']

  from tensorboard.plugins.hparams import plugin_data_pb2

  content = events.SummaryMetadata('_hparams_/session_start_info').plugin_data.content
  values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
  assert values['batch_size'].number_value == 64 and values['loss'].string_value == 'hinge'
  assert values['ema'].bool_value is True and values['sizes'].string_value == '(4, 8)'


def test_tensorboard_shows_each_step_of_a_continued_run_once(tmp_path):
  for resume_step, steps, value in [(0, range(1, 7), 1.0), (4, range(5, 9), 2.0)]:  # both within one second
    with writers.TensorBoardWriter(tmp_path, resume_step=resume_step) as writer:
      for step in steps:
        writer.write_scalars(step, {'loss': value})
  events = event_accumulator(tmp_path).Scalars('loss')
  assert [(event.step, event.value) for event in events] == [(s, 1.0 if s < 5 else 2.0) for s in range(1, 9)]


class Terminal(io.StringIO):
  def isatty(self):
    return True


class Clock:
  now = 0.0

  def __call__(self):
    return self.now


def test_without_a_terminal_the_console_is_quiet(monkeypatch):
  monkeypatch.setenv('FORCE_COLOR', '1')  # asks for colours, not for a live line in a log file
  stream, clock = io.StringIO(), Clock()
  with writers.ConsoleWriter(num_steps=4000, batch_size=64, stream=stream, clock=clock) as writer:
    for step in range(100, 1100, 100):
      writer.write_scalars(step, {'lr': 0.1, 'd_loss': 1.25, 'g_loss': 0.5})
      writer.write_scalars(step, {'validation/fid': 3.0})
      clock.now += 8
    writer.flush()
    writer.write_texts(1000, {'warning': 'too much of [bold]one[/bold] kind'})
  # Lines 32 s apart, and the last state at the end. 100 steps of 64 images in 8 s; 3500 steps left of 0.08 s.
  assert stream.getvalue().splitlines() == [
    'step 100/4000  6.4 kimg  d_loss 1.25  g_loss 0.5',
    'step 500/4000  32.0 kimg  800 images/s  4:40 left  d_loss 1.25  g_loss 0.5',
    'step 900/4000  57.6 kimg  800 images/s  4:08 left  d_loss 1.25  g_loss 0.5',
    'step 1000/4000  64.0 kimg  800 images/s  4:00 left  d_loss 1.25  g_loss 0.5',
    'step 1000  warning: too much of [bold]one[/bold] kind',
  ]


def test_the_rate_is_that_of_the_last_half_minute():
  stream, clock = io.StringIO(), Clock()
  writer = writers.ConsoleWriter(num_steps=10**6, batch_size=10, every_seconds=0, stream=stream, clock=clock)
  for seconds, steps in [(100, 1), *[(1, 5)] * 60]:
    clock.now += seconds
    writer.write_scalars((writer._recent[-1][1] if writer._recent else 0) + steps, {'loss': 1.0})
  assert '  50 images/s' in stream.getvalue().splitlines()[-1]


def test_a_terminal_has_one_live_line_with_texts_above_it(monkeypatch):
  monkeypatch.setenv('TERM', 'xterm')
  monkeypatch.setenv('COLUMNS', '60')
  stream, clock = Terminal(), Clock()
  with writers.ConsoleWriter(num_steps=50, batch_size=64, stream=stream, clock=clock) as writer:
    for step in range(1, 51):
      clock.now += 1
      writer.write_scalars(step, {'d_loss': 1.25, 'g_loss': 0.5, 'd_real': 0.125, 'd_fake': -0.125})
      if step == 20:
        writer.write_texts(step, {'warning': 'collapse'})
    print('printed by something else')
  output = stream.getvalue()
  plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', output)
  last = plain.replace('\r', '\n').rstrip().splitlines()[-1]
  assert last.startswith('step 50/50  3.2 kimg  64 images/s  0:00 left  d_loss') and len(last) <= 60
  assert plain.count('\n') == 3  # the warning, what was printed, the line that stays: not one for every step
  assert re.search(r'step 20  warning: collapse\s', plain) and 'printed by something else' in plain
  assert output.rindex('\x1b[?25h') > output.rindex('\x1b[?25l')  # the cursor is shown again


def test_the_first_line_has_a_rate_which_is_that_since_all_is_compiled():
  stream, clock = io.StringIO(), Clock()
  writer = writers.ConsoleWriter(num_steps=100, batch_size=10, stream=stream, clock=clock)
  writer.write_texts(0, {'compiling': 'train step'})
  clock.now = 60
  writer.write_texts(0, {'compiled': 'train step in 60 s'})
  clock.now = 65
  writer.write_scalars(20, {'loss': 1.0})
  assert stream.getvalue().splitlines()[-1] == 'step 20/100  0.2 kimg  40 images/s  0:20 left  loss 1'


def test_long_lines_of_text_can_be_copied_and_what_cannot_be_encoded_is_escaped(monkeypatch):
  monkeypatch.setenv('TERM', 'xterm')
  monkeypatch.setenv('COLUMNS', '40')
  command = 'python -m gengan.sample --workdir=' + 'a' * 60
  stream = Terminal()
  with writers.ConsoleWriter(num_steps=50, batch_size=64, stream=stream) as writer:
    writer.write_texts(1, {'next': f'\n  {command}'})
  assert f'step 1  next:\n  {command}\n' in re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', stream.getvalue())

  binary = io.BytesIO()
  with writers.ConsoleWriter(num_steps=1, batch_size=1, stream=io.TextIOWrapper(binary, 'ascii')) as writer:
    writer.write_texts(1, {'training': 'of 猫 in \udcff'})
    assert binary.getvalue() == b'step 1  training: of \\u732b in \\udcff\n'


def test_a_run_writes_its_files_once_over_all_processes(tmp_path, capsys):
  for process_index in (1, 0):
    with writers.create(
      tmp_path / str(process_index), num_steps=2, batch_size=8, process_index=process_index
    ) as writer:
      writer.write_hparams({'batch_size': 8})
      writer.write_scalars(1, {'d_loss': jnp.float32(0.5)})
      writer.write_images(1, {'samples': jnp.zeros((4, 8, 8, 1))})
      writer.write_texts(1, {'warning': 'hm'})
      writer.flush()
  assert not (tmp_path / '1').exists()
  assert [line['d_loss'] for line in read(tmp_path / '0' / 'metrics.jsonl')] == [0.5]
  assert len(list((tmp_path / '0' / 'tensorboard').iterdir())) == 1
  assert capsys.readouterr().out.splitlines() == ['step 1/2  0.0 kimg  d_loss 0.5', 'step 1  warning: hm']


def test_another_console_takes_the_place_of_standard_output(tmp_path, capsys):
  told = []

  class Own(writers.MetricWriter):
    def write_texts(self, step, texts):
      told.append((step, texts))

  with writers.create(tmp_path, num_steps=2, batch_size=8, process_index=0, console=Own()) as writer:
    writer.write_texts(1, {'warning': 'hm'})
    writer.write_scalars(1, {'d_loss': 0.5})
  assert told == [(1, {'warning': 'hm'})] and not capsys.readouterr().out
  assert [line['d_loss'] for line in read(tmp_path / 'metrics.jsonl')] == [0.5]


def test_many_writers_are_all_closed_even_if_one_fails():
  closed = []

  class Failing(writers.MetricWriter):
    def close(self):
      closed.append(self)
      raise OSError('disk full')

  with pytest.raises(OSError, match='disk full'):
    writers.MultiWriter([Failing(), Failing()]).close()
  assert len(closed) == 2


@pytest.fixture(scope='module')
def clu_writers():
  """`clu.metric_writers`, which imports TensorFlow for one of its writers alone: that one is left out."""
  missing = types.ModuleType('clu.metric_writers.summary_writer')
  missing.SummaryWriter = None
  sys.modules.setdefault(missing.__name__, missing)
  return importlib.import_module('clu.metric_writers')


def test_the_interface_is_that_of_clu(clu_writers):
  theirs = clu_writers.MetricWriter
  assert theirs.__abstractmethods__
  for name in theirs.__abstractmethods__:
    shape = lambda cls, name=name: [
      (p.name, p.kind, p.default) for p in signature(getattr(cls, name)).parameters.values()
    ]
    for ours in (writers.MetricWriter, writers.MultiWriter, writers.TensorBoardWriter, writers.JsonLinesWriter):
      assert shape(ours) == shape(theirs), f'{ours.__name__}.{name}'


def test_writers_of_clu_stand_beside_ours_and_the_other_way_round(clu_writers, tmp_path, caplog):
  ours = writers.JsonLinesWriter(tmp_path / 'mine.jsonl', batch_size=8)
  more = [clu_writers.LoggingWriter(), clu_writers.AsyncWriter(ours)]  # which calls with keywords, in a thread
  caplog.set_level('INFO', logger='absl')
  with writers.create(tmp_path, num_steps=2, batch_size=8, more=more) as writer:
    writer.write_hparams({'batch_size': 8})
    writer.write_scalars(1, {'d_loss': jnp.float32(0.5)})
    writer.write_images(1, {'samples': np.zeros((8, 8, 1), np.uint8)})
    writer.write_texts(1, {'warning': 'hm'})
    writer.write_histograms(1, {'w': np.arange(3.0)}, {'w': 2})
    writer.write_videos(1, {'v': np.zeros((1, 2, 8, 8, 1))})
    writer.write_audios(1, {'a': np.zeros((1, 9, 1))}, sample_rate=8)
    writer.write_summaries(1, {'s': np.zeros(2)})
    writer.flush()
  assert [line['d_loss'] for line in read(tmp_path / 'mine.jsonl')] == [0.5]
  for words in (
    'd_loss=0.5',
    "Got images: {'samples': (8, 8, 1)}",
    "{'warning': 'hm'}",
    'Histogram',
    "'batch_size': 8",
  ):
    assert words in caplog.text, words


def test_a_run_tells_the_writers_that_are_plugged_in(clu_writers, tmp_path, caplog):
  config = dcgan.get_config()
  config.update(num_steps=1, log_every_steps=1, sample_every_steps=1, batch_size=8)
  config.data.image_size, config.model.width, config.model.latent_size = 8, 2, 4
  caplog.set_level('INFO', logger='absl')
  train.run(config, tmp_path, writers=[clu_writers.LoggingWriter()], profile_steps=5)
  for words in ('d_loss=', 'validation/d_real=', "Got images: {'samples': (", "'optimizers.generator.b1': 0.5"):
    assert words in caplog.text, words
  assert list((tmp_path / 'profile').rglob('*.xplane.pb'))  # shorter than the trace that was asked for


@pytest.mark.parametrize('kind', ['metrics.jsonl', 'tensorboard'])
def test_a_full_disk_is_an_error_with_the_path_and_never_a_wait(kind, tmp_path):
  threads = threading.active_count()
  made = {
    'metrics.jsonl': lambda: writers.JsonLinesWriter(tmp_path / kind, batch_size=1),
    'tensorboard': lambda: writers.TensorBoardWriter(tmp_path / kind),
  }
  writer = made[kind]()
  writer._file.close()
  writer._file = open('/dev/full', 'w' if kind == 'metrics.jsonl' else 'wb')  # noqa: SIM115
  assert threading.active_count() == threads  # what a thread meets, its queue hides
  for use in (lambda: [writer.write_scalars(step, {'loss': 1.0}) for step in range(10_000)], writer.close):
    with pytest.raises(OSError, match='No space left on device') as caught:
      use()
    assert str(caught.value.filename).startswith(str(tmp_path / kind))
  assert writer._file.closed


def test_a_file_of_metrics_that_was_deleted_is_an_error(tmp_path):
  writer = writers.JsonLinesWriter(tmp_path / 'metrics.jsonl', batch_size=1)
  writer.write_scalars(1, {'loss': 1.0})
  (tmp_path / 'metrics.jsonl').unlink()
  with pytest.raises(FileNotFoundError, match='it was deleted while it was written'):
    writer.write_scalars(2, {'loss': 1.0})


def test_what_is_measured_again_after_a_kill_stands_there_once(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  for resume_step in (0, 5):
    with writers.JsonLinesWriter(path, batch_size=1, resume_step=resume_step) as writer:
      writer.write_scalars(5, {'validation/loss': 2.0, 'validation/odd': float('nan')})
      writer.write_scalars(5, {'validation/loss': 2.0 + resume_step})
  found = [json.loads(line)['validation/loss'] for line in path.read_text().splitlines()]
  assert found == [2.0, 2.0, 7.0]
