"""Planted faults are found, shown and left out of training; a clean set has none."""

import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from gengan.config import defaults
from gengan.data import load
from gengan.data.clean import EXCLUDABLE, KINDS, Settings, clean, cleaning
from gengan.data.clean.__main__ import main
from gengan.host.errors import ArgumentError


def picture(seed, size=(48, 48)):
  """A smooth coloured pattern, different for every seed."""
  small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
  return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encode(image, file_format='PNG', **options):
  buffer = io.BytesIO()
  image.save(buffer, file_format, **options)
  return buffer.getvalue()


def clean_set():
  content = {f'train/{"ab"[i % 2]}/{i:02d}.png': encode(picture(i)) for i in range(60)}
  return content | {f'test/{"ab"[i % 2]}/{i:02d}.png': encode(picture(i)) for i in range(60, 80)}


# What is planted: {name: (content, kind of finding, is it left out)}.
FAULTS = {
  'train/a/truncated.png': (encode(picture(101))[:-200], 'unreadable', True),
  'train/b/text.jpg': (b'this is text', 'unreadable', True),
  'train/a/empty.png': (b'', 'unreadable', True),
  'train/a/blank.png': (encode(Image.new('RGB', (48, 48), (20, 200, 90))), 'blank', True),
  'train/b/transparent.png': (encode(Image.new('RGBA', (48, 48), (20, 200, 90, 0))), 'blank', True),
  'train/b/copy.bmp': (encode(picture(1), 'BMP'), 'duplicate', True),  # of train/b/01.png
  'train/a/near.jpg': (encode(picture(2), 'JPEG', quality=60), 'near_duplicate', True),  # of train/a/02.png
  'train/a/scaled.png': (encode(picture(4).resize((64, 64))), 'near_duplicate', True),
  'train/a/leak.png': (encode(picture(60)), 'leakage', True),  # of test/a/60.png
  'train/b/near_leak.jpg': (encode(picture(61), 'JPEG', quality=60), 'near_leakage', True),
  'train/a/huge.png': (encode(picture(102, (200, 200))), 'outlier_size', False),
  'train/a/wide.png': (encode(picture(103, (120, 24))), 'outlier_size', False),
  'train/b/grey.png': (encode(picture(104).convert('L')), 'outlier_mode', False),
  'train/rare/1.png': (encode(picture(105)), 'rare_label', False),
}


def write_zip(path, content):
  with zipfile.ZipFile(path, 'w') as archive:
    for name, data in content.items():
      archive.writestr(name, data)
  return f'zip:{path}'


def listed(findings, kind):
  return {example['name'] for group in findings['findings'][kind] for example in group['examples']}


@pytest.fixture(scope='module')
def dirty(tmp_path_factory):
  folder = tmp_path_factory.mktemp('dirty')
  spec = write_zip(folder / 'set.zip', clean_set() | {name: fault[0] for name, fault in FAULTS.items()})
  counts = clean(spec, str(folder / 'report'), settings=Settings(min_per_class=5))
  return spec, folder / 'report', counts


def test_a_clean_set_has_no_findings(tmp_path):
  counts = clean(write_zip(tmp_path / 'set.zip', clean_set()), str(tmp_path / 'report'))
  assert counts == dict.fromkeys([*KINDS, 'excluded'], 0)
  page = (tmp_path / 'report' / 'report.html').read_text()
  assert 'Nothing needs to be left out' in page
  assert '<img' not in page


@pytest.mark.parametrize('kind', sorted({fault[1] for fault in FAULTS.values()}))
def test_planted_faults_are_found_and_nothing_else(dirty, kind):
  _, report, counts = dirty
  findings = json.loads((report / 'findings.json').read_text())
  expected = {name for name, fault in FAULTS.items() if fault[1] == kind}
  if kind == 'outlier_mode':
    expected.add('train/b/transparent.png')  # blank, and the only one with alpha
  assert listed(findings, kind) == expected
  assert counts[kind] == findings['counts'][kind] == len(expected)


def test_copies_point_at_what_stays(dirty):
  findings = json.loads((dirty[1] / 'findings.json').read_text())['findings']
  kept = {group['examples'][0]['name']: group['kept']['name'] for group in findings['duplicate'] + findings['leakage']}
  assert kept == {'train/b/copy.bmp': 'train/b/01.png', 'train/a/leak.png': 'test/a/60.png'}
  kept = {group['examples'][0]['name']: group['kept']['name'] for group in findings['near_leakage']}
  assert kept == {'train/b/near_leak.jpg': 'test/b/61.png'}


def test_the_manifest_leaves_out_the_right_ones_with_reasons(dirty):
  _, report, counts = dirty
  manifest = json.loads((report / 'exclude.json').read_text())
  expected = {name: fault[1] for name, fault in FAULTS.items() if fault[2]}
  assert set(manifest['exclude']) == {'train'}
  assert {name: reason.split(' ')[0] for name, reason in manifest['exclude']['train'].items()} == expected
  assert counts['excluded'] == len(expected)


def test_training_accepts_the_manifest(dirty):
  spec, report, counts = dirty
  with pytest.raises(ValueError, match='cannot be read'):
    load(defaults.data(source=spec, channels=3))
  dataset = load(defaults.data(source=spec, channels=3, exclude=str(report / 'exclude.json')))
  names = {*dataset.train.names, *dataset.validation.names}
  assert names.isdisjoint(name for name, fault in FAULTS.items() if fault[2])
  assert sum(dataset.statistics['excluded'].values()) == counts['excluded']
  assert len(dataset.test) == 20


def test_the_page_holds_its_pictures_and_needs_nothing_else(dirty):
  page = (dirty[1] / 'report.html').read_text()
  assert not re.findall(r'(?:src|href)="(?!data:image/|#)', page)
  pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
  assert len(pictures) > 10
  for name, fault in FAULTS.items():
    assert name in page, fault
  assert page.index('<h2>Summary') < page.index('<h2 id="unreadable"')


def test_names_are_escaped(tmp_path):
  content = clean_set() | {'train/a/<script>alert(1)<.png': b'broken'}
  clean(write_zip(tmp_path / 'set.zip', content), str(tmp_path / 'report'))
  page = (tmp_path / 'report' / 'report.html').read_text()
  assert '<script' not in page
  assert '&lt;script&gt;' in page


def test_long_findings_are_capped_and_say_so(tmp_path):
  content = clean_set() | {f'train/a/broken{i:03d}.png': b'broken' for i in range(100)}
  clean(write_zip(tmp_path / 'set.zip', content), str(tmp_path / 'report'))
  page = (tmp_path / 'report' / 'report.html').read_text()
  assert 'Shown: 30 of 100' in page
  assert page.count('class="lost"') == 30


def test_copies_under_two_labels_are_reported(tmp_path):
  content = clean_set() | {'train/a/twin.png': encode(picture(1))}  # the same as train/b/01.png
  clean(write_zip(tmp_path / 'set.zip', content), str(tmp_path / 'report'))
  findings = json.loads((tmp_path / 'report' / 'findings.json').read_text())
  assert listed(findings, 'conflicting_labels') == {'train/a/twin.png', 'train/b/01.png'}
  assert findings['findings']['conflicting_labels'][0]['note'] == 'a, b'


def test_same_shape_in_other_colours_is_no_copy(tmp_path):
  content = clean_set()
  pale = Image.blend(picture(7), Image.new('RGB', (48, 48), (128, 128, 128)), 0.5)  # so that no colour is clipped
  luma, blue, red = pale.convert('YCbCr').split()
  other = Image.merge('YCbCr', [luma, blue.point(lambda x: 255 - x), red.point(lambda x: 255 - x)]).convert('RGB')
  assert np.abs(np.asarray(other.convert('L')).astype(int) - pale.convert('L')).max() <= 3
  content |= {'train/a/pale.png': encode(pale), 'train/a/recoloured.png': encode(other)}
  spec = write_zip(tmp_path / 'set.zip', content)
  assert clean(spec, str(tmp_path / 'report'))['near_duplicate'] == 0
  assert (
    clean(spec, str(tmp_path / 'report'), settings=Settings(near_colour=255))['near_duplicate'] > 0
  )  # the hash alone cannot tell


def test_chosen_kinds_alone_are_left_out(dirty, tmp_path):
  counts = clean(dirty[0], str(tmp_path), exclude=('unreadable',))
  manifest = json.loads((tmp_path / 'exclude.json').read_text())
  assert counts['excluded'] == 3
  assert all(reason == 'unreadable' for reason in manifest['exclude']['train'].values())


def test_the_report_of_another_set_is_not_replaced(dirty, tmp_path):
  clean(dirty[0], str(tmp_path), exclude=('unreadable',))
  before = (tmp_path / 'exclude.json').read_bytes()
  with pytest.raises(ArgumentError, match=r'out is .* the report of zip:.*set\.zip lies'):
    clean('digits', str(tmp_path))
  assert (tmp_path / 'exclude.json').read_bytes() == before
  clean(dirty[0], str(tmp_path), exclude=('unreadable',))  # that of the same set is


def test_command_line(dirty, tmp_path):
  command = [sys.executable, '-m', 'gengan.data.clean', f'--source={dirty[0]}', f'--out={tmp_path}']
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  assert re.search(r'Exact duplicates +1\n', done.stdout)
  assert {path.name for path in tmp_path.iterdir()} == {'report.html', 'findings.json', 'exclude.json'}
  command[3] = f'--source=zip:{tmp_path / "none.zip"}'
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert done.stderr == f'gengan.data.clean: zip:{tmp_path / "none.zip"}: there is no such file\n'


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([], 'give --source, as in --source=folder:path/to/images; it may be digits, idx:DIR'),
    (['--source=foo'], "--source is 'foo', which lacks its kind, as in tfds:foo; it must be one of digits, idx:DIR"),
    (['--source=digits', '--near_distance=9'], '--near_distance is 9; it must be from 0 to 8 bits'),
    (['--source=digits', '--exclude=ugly'], "--exclude is 'ugly'; it must be some of unreadable, blank"),
    (['--source=digits', '--near=3'], "unexpected argument '--near=3'; did you mean --near_"),
  ],
)
def test_mistakes_on_the_command_line_are_one_line(flags, message, capsys):
  with pytest.raises(SystemExit) as caught:
    main(flags)
  error = capsys.readouterr().err
  assert caught.value.code == 2 and error.startswith(f'gengan.data.clean: {message}') and error.count('\n') == 1


def test_a_folder_that_takes_no_files_is_told_before_the_set_is_read(tmp_path, monkeypatch, capsys):
  (tmp_path / 'taken').write_text('a file')
  monkeypatch.setattr(cleaning, 'open_source', lambda *args, **options: pytest.fail('the set was opened'))
  with pytest.raises(SystemExit) as caught:
    main(['--source=digits', f'--out={tmp_path / "taken"}'])
  error = capsys.readouterr().err
  assert caught.value.code == 2 and error.count('\n') == 1
  assert 'taken, where no files can be written: that is a file' in error


def test_ctrl_c_is_one_line(tmp_path, monkeypatch, capsys):
  def interrupt(opened):
    raise KeyboardInterrupt

  monkeypatch.setattr(cleaning, 'examine', interrupt)
  with pytest.raises(SystemExit) as caught:
    main(['--source=digits', f'--out={tmp_path}'])
  assert caught.value.code == 130
  assert capsys.readouterr().err == 'gengan.data.clean: stopped before the report was written\n'


def test_every_excludable_kind_is_a_kind():
  assert set(EXCLUDABLE) < set(KINDS)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'near_distance': -1}, 'near_distance is -1; it must be from 0 to 8 bits'),
    ({'near_distance': 9}, 'near_distance is 9; it must be from 0 to 8 bits'),
    ({'near_colour': -1}, 'near_colour is -1; it must be from 0 to 255 grey levels'),
    ({'blank_deviation': float('nan')}, 'blank_deviation is nan'),
    ({'min_per_class': -5}, 'min_per_class is -5'),
  ],
)
def test_settings_that_make_no_sense(options, message):
  with pytest.raises(ArgumentError, match=message):
    Settings(**options)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'out': __file__}, '^out is .*, which cannot be made: File exists; it must be a folder'),
    ({'exclude': ('blank', 'ugly')}, "^exclude is 'ugly'; it must be some of unreadable"),
  ],
)
def test_what_makes_no_sense_is_told_before_anything_is_read(options, message, tmp_path, monkeypatch):
  monkeypatch.setattr(cleaning, 'examine', lambda opened: pytest.fail('the images were read'))
  with pytest.raises(ArgumentError, match=message):
    clean('digits', **{'out': tmp_path / 'report', **options})
