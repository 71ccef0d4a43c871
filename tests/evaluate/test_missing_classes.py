"""A run on data with a class that has no image, and one without a held-out image, is measured all the same."""

import html.parser
import json
import pathlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from configs import conditional_dcgan
from gengan import train
from gengan.config import ConfigError
from gengan.evaluate import __main__ as evaluate
from gengan.evaluate import classifiers, report
from gengan.evaluate.protocol import Evaluation

NAMES = ('zero', 'nothing', 'two', '<rare>', 'four')  # no image of 1, one of 3
ALL = 'consistency,intra_class,classification_accuracy'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """Trained for two steps, with metrics by class in the loop, one of which always fails."""
  folder = tmp_path_factory.mktemp('gaps')
  digits = load_digits()
  chosen = np.concatenate(
    [np.flatnonzero(digits.target == label)[:count] for label, count in ((0, 60), (2, 60), (4, 60), (3, 1))]
  )
  images = (digits.images[chosen] * 15).astype(np.uint8)
  np.savez(folder / 'gaps.npz', images=images, labels=digits.target[chosen], class_names=np.array(NAMES))
  (folder / 'my_metrics').mkdir()
  (folder / 'my_metrics' / 'failing.py').write_text(
    'from gengan.metrics import Family, Images, Meaning\n'
    "FAMILY = Family(lambda inputs: [][0], {'my_': Meaning('', 'fails')}, images=Images('none'))\n"
  )
  config = conditional_dcgan.get_config()
  config.num_steps = config.eval_every_steps = config.sample_every_steps = config.checkpoint.every_steps = 2
  config.batch_size = 16
  config.data.update(image_size=8, channels=1, source=f'npz:{folder}/gaps.npz')
  config.model.update(width=4, latent_size=5)
  config.evaluators.update(metrics='frechet, my_metrics.failing, consistency', network='classifier')
  config.evaluators.update(num_generated=40, every_steps=1)
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('GENGAN_CACHE', str(tmp_path_factory.getbasetemp() / 'cache'))
    patch.setattr(classifiers, 'STEPS', 5)
    patch.syspath_prepend(str(folder))
    yield folder, config


@pytest.fixture(scope='module')
def trained(run):
  folder, config = run
  train.run(config, folder / 'run')
  return folder / 'run'


def evaluated(workdir, *flags):
  evaluate.main([f'--workdir={workdir}', '--sets=2', '--num=40', *flags])
  return Evaluation.from_json((workdir / 'evaluation' / 'evaluation.json').read_text())


def test_the_loop_goes_on_without_what_fails(trained, capfd):
  lines = [json.loads(line) for line in (trained / 'metrics.jsonl').read_text().splitlines()]
  measured = [line for line in lines if 'validation/label_consistency' in line]
  assert [line['step'] for line in measured] == [1, 2] and all('validation/fd_classifier' in line for line in measured)


def test_the_loop_tells_why_and_before_it_begins_what_will_be_left_out(run, tmp_path, capfd, caplog):
  _, config = run
  train.run(config, tmp_path / 'again')
  told = capfd.readouterr().out
  assert 'warning: my_metrics.failing was not measured: IndexError in failing.py, line 2' in told
  assert told.count('step 1  measuring: frechet, my_metrics.failing, consistency; again every 1 steps\n') == 1
  assert told.count('measuring: ') == told.count('step 1  measured: in ') == 1
  left_out = (
    'scores of classes leave out those that they cannot judge: nothing (no image at all); <rare> (no validation'
  )
  assert left_out in caplog.text


def test_the_loop_refuses_before_the_first_step_what_no_class_has_images_for(run, tmp_path):
  _, config = run
  config = config.copy_and_resolve_references()
  with config.unlocked():
    config.evaluators.metrics = 'intra_class'
    config.data.validation_fraction = 0.02  # one image of each class
  with pytest.raises(
    ConfigError,
    match=r'config.evaluators.metrics is .intra_class., but intra_class cannot be measured: it takes at least 2',
  ):
    train.prepare(config, tmp_path)


def test_scores_are_of_the_classes_that_there_are(trained, capsys):
  found = evaluated(trained, f'--metrics={ALL}')
  told = capsys.readouterr()
  assert {'label_consistency', 'intra_fd_classifier', 'classification_accuracy_score'} <= found.scores.keys()
  held_out = {'zero', 'two', 'four'}
  assert found.about['by_class']['intra_fd_classifier'].keys() == held_out
  assert found.about['by_class']['classification_accuracy_score'].keys() == held_out
  mean = np.mean(list(found.about['by_class']['intra_fd_classifier'].values()))
  assert found.scores['intra_fd_classifier'] == pytest.approx(mean)
  assert found.left_out['classification_accuracy'] == {'nothing': 'no image at all', '<rare>': 'no held-out image'}
  assert found.left_out['intra_class'].keys() == {'nothing', '<rare>'} and not found.not_measured
  assert found.about['fewest_of_class'] == {'1': 6, '2': 6}  # a tenth of 60
  line = 'left out of classification_accuracy: <rare> (no held-out image); nothing (no image at all)'
  assert line in ' '.join(told.out.split())
  page = (trained / 'evaluation' / 'index.html').read_text()
  assert '&lt;rare&gt; (no held-out image)' in page and '<rare>' not in page


def test_what_cannot_be_measured_is_told_with_its_reason_and_an_exit_code(trained, capsys):
  with pytest.raises(SystemExit) as stop:
    evaluated(trained, '--metrics=my_metrics.failing,kernel', '--network=pixels', '--trust=my_metrics')
  out, err = capsys.readouterr()
  reason = 'IndexError in failing.py, line 2: list index out of range'
  assert stop.value.code == 1 and err.endswith(
    '1 of what was asked for could not be measured, see above; the rest is in the report\n'
  )
  assert f'not measured: my_metrics.failing: {reason}' in ' '.join(out.split())
  found = Evaluation.from_json((trained / 'evaluation' / 'evaluation.json').read_text())
  assert list(found.scores) == ['kd_pixels'] and found.not_measured == {'my_metrics.failing': reason}


def test_nothing_is_measured_where_nothing_can_be(trained, capsys):
  with pytest.raises(SystemExit) as stop:
    evaluated(trained, '--metrics=manifold', '--network=pixels', '--num=4')
  assert stop.value.code == 2
  assert capsys.readouterr().err.splitlines()[-1] == (
    'gengan.evaluate: manifold cannot be measured: it takes at least 6 images of each kind, and there are 4'
  )


def test_real_images_have_scores_of_their_own_and_cautions_are_kept(trained):
  found = evaluated(trained, '--metrics=frechet,copying', '--network=pixels')
  assert 0 <= found.real['fd_pixels'] < found.scores['fd_pixels'] and 0 <= found.real['authenticity_pixels'] <= 1
  assert {'few_images', 'pixels', 'small_sets', 'barely_trained'} <= {each.kind for each in found.cautions}
  content = json.loads((trained / 'evaluation' / 'evaluation.json').read_text())
  assert all(each['text'] and each['scores'] for each in content['cautions'] if each['kind'] == 'pixels')


def test_an_earlier_report_of_another_protocol_is_kept(trained, tmp_path):
  out = f'--out={tmp_path}/a report'
  first = [f'--workdir={trained}', '--num=40', '--sets=1', '--network=pixels', out]
  evaluate.main([*first, '--metrics=kernel'])
  evaluate.main([*first, '--metrics=kernel,frechet'])  # all of it, and more
  assert not (tmp_path / 'a report' / 'earlier-1').exists()
  with pytest.warns(UserWarning, match='another truncation, which is kept there in a folder earlier-N'):
    evaluate.main([*first, '--metrics=kernel,frechet', '--truncation=0.5'])
  kept = Evaluation.from_json((tmp_path / 'a report' / 'earlier-1' / 'evaluation.json').read_text())
  assert kept.protocol.truncation == 1 and sorted(kept.scores) == ['fd_pixels', 'kd_pixels']
  assert (tmp_path / 'a report' / 'earlier-1' / 'index.html').exists()


@pytest.mark.parametrize(
  'make, message',
  [
    (lambda folder: (folder / 'index.html').mkdir(parents=True), 'is a folder where the report has a file'),
    (lambda folder: folder.write_text(''), 'which is a file; it must be a folder'),
    (lambda folder: folder.parent.joinpath('x').write_text(''), None),
  ],
)
def test_a_report_that_could_not_be_written_is_told_before_anything_is_read(
  trained, make, message, tmp_path, capsys, monkeypatch
):
  out = tmp_path / 'out'
  make(out)
  if message is None:  # a disk that has no room, which a file without content does not notice

    def full(descriptor):
      raise OSError(28, 'No space left on device')

    monkeypatch.setattr(report.os, 'fsync', full)
    message = 'which has no room for a report: No space left on device'
  with pytest.raises(SystemExit) as stop:
    evaluate.main([f'--workdir={trained}', f'--out={out}'])
  error = capsys.readouterr().err
  assert stop.value.code == 2 and message in error and error.count('\n') == 1 and str(out) in error


def test_the_page_is_whole_and_its_pictures_show_classes(trained):
  evaluated(trained, '--metrics=kernel', '--network=pixels')
  page = (trained / 'evaluation' / 'index.html').read_text()
  open_tags = []

  class Whole(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
      if tag not in ('meta', 'img', 'br'):
        open_tags.append(tag)

    def handle_endtag(self, tag):
      assert open_tags.pop() == tag

  Whole().feed(page)
  assert open_tags == [] and '$' not in page
  assert [pathlib.Path(trained / 'evaluation' / f'{name}.png').exists() for name in ('samples', 'real')] == [True, True]
