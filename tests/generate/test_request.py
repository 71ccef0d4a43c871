"""A request is settled, or refused, before anything is written."""

import json

import jax.numpy as jnp
import pytest

from gengan import core
from gengan.generate import guard
from tests.generate.conftest import ALGORITHM, NAMES


def test_a_mistake_is_told_before_anything_is_written(prepare, monkeypatch, tmp_path):
  monkeypatch.setattr(guard, 'check', lambda *args, **kwargs: pytest.fail('the guard was asked'))
  with pytest.raises(ValueError, match=r"--classifier is 'no\.mod:f': .*module:function"):
    prepare('set', classifier='no.mod:f', min_confidence=0.5)
  with pytest.raises(ValueError, match=r"--classifier is 'json:__name__', which cannot be called"):
    prepare('set', classifier='json:__name__', min_confidence=0.5)
  with pytest.raises(ValueError, match=r"--classifier is './judge\.py:f': .*; it must be module:function"):
    prepare('set', classifier='./judge.py:f', min_confidence=0.5)
  (tmp_path / 'half_written.py').write_text('def judge(')
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(ValueError, match=r"--classifier is 'half_written:judge': .*never closed.*; it must be"):
    prepare('set', classifier='half_written:judge', min_confidence=0.5)
  with pytest.raises(ValueError, match='this model has none'):
    prepare('set', algorithm=ALGORITHM._replace(score=None), discriminator_percentile=80.0)
  codes = lambda state, key, labels, *, truncation=1.0: core.truncated(jnp.zeros((len(labels), 4), int), truncation)
  with pytest.raises(ValueError, match=r'truncation is 0\.5, but this model draws codes'):
    prepare('set', algorithm=ALGORITHM._replace(prior=codes), truncation=0.5)
  assert not list(tmp_path.glob('set*'))


def test_what_is_left_open_is_settled(prepare):
  asked = prepare('Set 1', num=300, shard_size=0, min_confidence=0.5, classifier='json:loads')
  assert asked.classes == (0, 1, 2) and asked.request.labels == (0, 1, 2)  # all, for a conditional model
  assert asked.request.shard_size == 16384 and asked.request.max_attempts == 100  # small images; drawn again at need
  assert asked.about.name == 'set_1' and asked.about.num_shards == 1 and asked.about.class_names == NAMES
  assert prepare('2', shard_size=0).about.name == 'set_2' and prepare('2').request.max_attempts == 1
  whole = prepare('3', conditional=False)
  assert whole.classes == () and whole.about.class_names == () and whole.about.num_shards == 3


def test_the_plan_holds_what_the_bytes_depend_on(prepare):
  plan = prepare('a').plan
  assert prepare('b').plan == plan  # not the place
  assert prepare('a', seed=1).plan != plan and prepare('a', truncation=0.9).plan != plan
  assert plan['step'] == 7 and plan['weights'] == 'averaged' and len(plan['weights_sha256']) == 64


def test_a_class_without_a_training_image_is_left_out_and_not_asked_for(prepare, tmp_path):
  facts = json.loads((tmp_path / 'run' / 'dataset.json').read_text())
  (tmp_path / 'run' / 'dataset.json').write_text(json.dumps({**facts, 'train_by_class': [40, 0, 40]}))
  assert prepare('set').classes == (0, 2) and prepare('set', labels=(2,)).classes == (2,)
  with pytest.raises(ValueError, match=r"--labels has 1 \('bee'\), a class of which the run was trained on no image"):
    prepare('set', labels=(0, 1))
