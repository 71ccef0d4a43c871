"""The JSON files beside a run."""

import pytest

from configs import dcgan
from gengan.config import load, load_dataset_facts, require_same_run
from gengan.host.files import write_json


def test_a_config_comes_back_from_its_folder(tmp_path):
  config = dcgan.get_config()
  write_json(tmp_path / 'config.json', config.to_dict())
  assert load(tmp_path).to_dict() == config.to_dict()
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    load(tmp_path / 'nowhere')
  for broken, what in (
    ('{"model"', 'is damaged: '),
    ('[]', 'is damaged: it holds no JSON object'),
    ('{"model": 3}', 'is not the config of a run'),
    ('{"model": {}, "__class__": 1}', 'is damaged: '),
    ('{"model": {"a.b": 1}}', 'is damaged: '),
    ('{"model": {"a\\n": 1}}', r"is damaged: 'model\.a\\n' is the name of no field$"),
    (f'{{"model": {{"{"a" * 5000}": 1}}}}', r"is damaged: 'model\.a{200,300} \.\.\. is the name of no field$"),
  ):
    (tmp_path / 'config.json').write_text(broken)
    with pytest.raises(ValueError, match=rf'{tmp_path}/config\.json {what}'):
      load(tmp_path)


def test_only_how_long_where_and_how_often_may_change(tmp_path):
  config = dcgan.get_config()
  write_json(tmp_path / 'config.json', config.to_dict())
  config.num_steps, config.mesh.fsdp, config.checkpoint.keep_latest = 9, 2, 7
  require_same_run(config, tmp_path)
  config.optimizers.generator.b1 = 0.9
  with pytest.raises(ValueError, match=r'config.optimizers.generator.b1 is 0.5 there and 0.9 here\. Choose another'):
    require_same_run(config, tmp_path)


@pytest.mark.parametrize(
  ('lacks', 'told'),
  [
    (('loss',), r"config\.loss is missing there and 'non_saturating' here\. Choose another"),
    (('dtype',), r'config\.json has no dtype: another version of gengan made this run'),
    (('dtype', 'seed', 'mesh'), r'has no dtype, mesh\.data, mesh\.distributed \.\.\.: another version'),
  ],
)
def test_a_run_from_before_a_field_existed_is_another_run(lacks, told, tmp_path):
  config = dcgan.get_config()
  before = {name: value for name, value in config.to_dict().items() if name not in lacks}
  write_json(tmp_path / 'config.json', before)
  with pytest.raises(ValueError, match=told):
    require_same_run(config, tmp_path)


def test_what_the_data_was_is_read_with_its_classes(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'dataset\.json is missing: nothing says on which data'):
    load_dataset_facts(tmp_path)
  write_json(tmp_path / 'dataset.json', {'class_names': ['a', 'b'], 'source': 'digits'})
  assert load_dataset_facts(tmp_path)['class_names'] == ['a', 'b']
  for names in ('a', [1]):
    write_json(tmp_path / 'dataset.json', {'class_names': names})
    with pytest.raises(ValueError, match=r'dataset\.json is damaged: it has no list of class_names'):
      load_dataset_facts(tmp_path)
