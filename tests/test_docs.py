"""The code in the documentation runs, and its links lead somewhere."""

import doctest
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_the_page_on_importing_is_a_doctest():
  failed, attempted = doctest.testfile(str(ROOT / 'docs/importing.md'), module_relative=False)
  assert attempted > 10 and failed == 0


def test_the_model_of_the_page_on_adding_one_trains(tmp_path, monkeypatch):
  from gengan import train

  text = (ROOT / 'docs/adding_a_model.md').read_text()
  for name, code in re.findall(r'```python\n# (\S+\.py)\n(.*?)```', text, flags=re.DOTALL):
    (tmp_path / name).write_text(code)
  monkeypatch.syspath_prepend(str(tmp_path))
  import my_config

  config = my_config.get_config()
  config.num_steps, config.batch_size = 2, 16
  try:
    state = train.run(config, tmp_path / 'run')
  finally:
    sys.modules.pop('my_config'), sys.modules.pop('my_gan')
  assert int(state.step) == 2
  assert (tmp_path / 'run' / 'samples' / 'samples_0000002.png').exists()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
  for target in re.findall(r'\]\(([^)#]+)', page.read_text()):
    assert '://' in target or (page.parent / target).exists(), target


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_files_that_commands_name_exist(page):
  for name in re.findall(r'--config=(configs/[\w/]+\.py)', page.read_text()):
    assert (ROOT / name).exists(), name
