"""The spec of a source: what it may be, and the line that says so."""

import pytest
from PIL import Image

from gengan.config import defaults
from gengan.data import load
from gengan.data.manifest import write_manifest
from gengan.data.sources.openers import SOURCES, open_source, source_parts
from gengan.host.errors import ArgumentError


@pytest.mark.parametrize(
  ('source', 'message'),
  [
    ('webcam:0', f"source is 'webcam:0'; it must be one of {SOURCES}"),
    ('a/b.zip', f"source is 'a/b.zip', which lacks its kind, as in zip:a/b.zip; it must be one of {SOURCES}"),
    ('a/b.npy', f"source is 'a/b.npy', which lacks its kind, as in npz:a/b.npy; it must be one of {SOURCES}"),
    ('/', f"source is '/', which lacks its kind, as in folder:/; it must be one of {SOURCES}"),
    ('mnist', f"source is 'mnist', which lacks its kind, as in tfds:mnist; it must be one of {SOURCES}"),
    ('', f"source is ''; it must be one of {SOURCES}"),
    ('digits:8', "source is 'digits:8', but digits takes no place; it must be 'digits' alone"),
    ('tfds', "source is 'tfds'; it must be a kind and its place, as in tfds:mnist"),
    ('idx:', "source is 'idx:'; it must be a kind and its place, as in idx:path/to/mnist"),
  ],
)
def test_an_impossible_spec_gets_one_that_works(source, message):
  with pytest.raises(ArgumentError) as caught:
    open_source(source)
  assert str(caught.value) == message
  assert (caught.value.argument, caught.value.value) == ('source', source)


def test_every_kind_that_is_offered_is_known():
  for spec in SOURCES.split(', '):
    kind, _, place = spec.partition(':')
    assert source_parts(f'{kind}:place' if place else kind) == (kind, 'place' if place else '')


def test_a_place_may_hold_colons():
  assert source_parts('tfds:mnist:3.0.1') == ('tfds', 'mnist:3.0.1')


@pytest.mark.parametrize('kind', ['idx', 'npz', 'folder', 'zip', 'tfds'])
def test_a_place_may_be_at_home(kind, monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  assert source_parts(f'{kind}:~/my images') == (kind, '/home/me/my images')


def test_pictures_at_home_are_opened_and_so_is_the_list_of_those_to_leave_out(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  (tmp_path / 'pictures').mkdir()
  for number in range(12):
    Image.new('L', (8, 8), number).save(tmp_path / 'pictures' / f'{number}.png')
  source = open_source('folder:~/pictures')
  write_manifest(tmp_path / 'exclude.json', source, {'train': {'3.png': 'blank'}})
  section = defaults.data('folder', source='folder:~/pictures', image_size=8, exclude='~/exclude.json')
  assert sum(load(section).statistics['excluded'].values()) == 1
