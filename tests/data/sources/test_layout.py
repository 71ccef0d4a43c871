"""Which folders are splits and which are classes, against the rule of Hugging Face's `datasets` where it has one."""

import itertools
import pathlib

import pytest
from datasets import data_files

from gengan.data.sources import layout

PAIRS = [  # a folder for training, one for testing, and what the second is
  ('train', 'test', 'test'),
  ('Training', 'Testing', 'test'),
  ('TRAIN', 'VAL', 'validation'),
  ('training_set', 'test_set', 'test'),
  ('train_set', 'test_set', 'test'),
  ('train-data', 'valid-data', 'validation'),
  ('train images', 'dev images', 'validation'),
  ('train.1', 'eval.1', 'test'),
  ('train2017', 'val2017', 'validation'),
  ('TrainSet', 'TestSet', 'test'),
  ('trainval', 'test', 'test'),
  ('train', 'evaluation', 'test'),
  ('seg_train', 'seg_test', 'test'),
  ('DIV2K_train_HR', 'DIV2K_valid_HR', 'validation'),
  ('asl-alphabet-train', 'asl_alphabet_test', 'test'),
  ('trainA', 'testA', 'test'),
  ('TrainPhotos', 'validPhotos', 'validation'),
  ('photos (train)', 'photos (test)', 'test'),
  ('[train]', '[val]', 'validation'),
  ('train_split', 'valid_split', 'validation'),
  ('train+val', 'test', 'test'),
  ('TrainVal', 'test', 'test'),
  ('trn', 'tst', 'test'),
  ('train', 'validate', 'validation'),
  ('train', 'holdout', 'test'),
  ('mytrain', 'mytest', 'test'),
  ('MYTRAINING', 'mytesting', 'test'),
  ('mytraining', 'mytest', 'test'),
  ('trainxy', 'valxy', 'validation'),
  ('mytrainval', 'mytest', 'test'),
  ('my-dstrain_1', 'my-dstest_1', 'test'),
  ('dstrain7x', 'dsdev7x', 'validation'),
  ('tr', 'te', 'test'),
  ('TR', 'Va', 'validation'),
  ('trains', 'tests', 'test'),
  ('Trains', 'Vals', 'validation'),
]


def test_parts_of_words_and_two_letters_are_splits_in_threes():
  for names in (('te', 'tr', 'va'), ('ourtest', 'ourtrain', 'ourval'), ('testours', 'trainours', 'valours')):
    found, rest, _ = splits(*(f'{name}/{label}/1.png' for name in names for label in 'ab'))
    assert found == ['test', 'test', 'train', 'train', 'validation', 'validation']
    assert layout.classes(rest, 'folder:set') == ['a', 'b'] * 3


def paths(*names):
  return [name.split('/') for name in names]


def splits(*names):
  return layout.splits(paths(*names), 'folder:set')


@pytest.mark.parametrize(('train', 'other', 'meaning'), PAIRS)
@pytest.mark.parametrize('top', ['', 'photos/'])
def test_splits_are_recognised_in_pairs(train, other, meaning, top):
  names = [f'{top}{split}/{label}/{i}.png' for split in (train, other) for label in 'ab' for i in range(2)]
  found, rest, notes = splits(*names)
  assert found == ['train'] * 4 + [meaning] * 4
  assert [path[0] for path in rest] == ['a', 'a', 'b', 'b'] * 2
  told = ', '.join(sorted((f"'{train}' as train", f"'{other}' as {meaning}")))
  usual = {train.lower(), other.lower()} <= {'train', 'val', 'test'}
  assert notes == ([] if usual else [f'folders read as splits: {told}'])


@pytest.mark.parametrize('pattern', ['{}', '{}_set', 'a_{}', '{}-1', '{} data', '{}.x', '{}2017', 'a-{}_b'])
def test_where_datasets_sees_splits_so_do_we(tmp_path, pattern):
  expected = {word: split for split, words in data_files.SPLIT_KEYWORDS.items() for word in words}
  for number, (word, split) in enumerate(expected.items()):
    root = tmp_path / f'set{number}'
    names = [f'{pattern.format(each)}/1.png' for each in (word, 'test' if split == 'train' else 'train')]
    for name in names:
      (root / name).parent.mkdir(parents=True)
      (root / name).touch()
    theirs = {}
    for found, patterns in data_files.get_data_patterns(str(root)).items():
      for file in itertools.chain(*(resolved(each, root) for each in patterns)):
        theirs[pathlib.Path(file).relative_to(root).as_posix()] = str(found)
    assert dict(zip(names, splits(*names)[0], strict=True)) == theirs


def resolved(pattern, root):
  try:
    return data_files.resolve_pattern(pattern, str(root))
  except FileNotFoundError:
    return []


@pytest.mark.parametrize(
  'classes',
  [
    ('test_tube', 'flask'),
    ('training_shoes', 'running_shoes'),
    ('trainer', 'tester', 'evaluator'),
    ('test_tube', 'train_station', 'flask'),
    ('steam_train', 'model_train'),
    ('latest', 'contest', 'values', 'device'),
    ('valley', 'medieval', 'strain'),
    ('test_pass', 'test_fail'),
    ('retrain', 'latest', 'flask'),
    ('retrain', 'retest'),
    ('trainer', 'tester'),
    ('trained', 'untrained', 'tested', 'untested'),
    ('trains', 'planes'),
    ('trains', 'trains_2'),
    ('trains', 'tests', 'flask'),
    ('contest', 'strain'),
    ('carnival', 'festival', 'protest', 'oval'),
    ('mytrain', 'yourtest'),
    ('mytrain', 'mytrainers', 'flask'),
    ('tr', 'te', 'de'),
    ('te', 'va'),
    ('tr', 'en'),
    ('images', 'data'),
    ('0', '1'),
  ],
)
def test_classes_are_not_taken_for_splits(classes):
  found, rest, notes = splits(*(f'{name}/{i}.png' for name in classes for i in range(2)))
  assert not found and not notes
  assert layout.classes(rest, 'folder:set') == [name for name in classes for _ in range(2)]


@pytest.mark.parametrize(
  ('names', 'problem'),
  [
    (('train/1.png', 'cat/1.png'), "'cat' lies beside what looks like a split: 'train'; "),
    (('bus/1.png', 'car/1.png', 'train/1.png'), "'bus' and 1 more lie beside what looks like a split: 'train'; "),
    (
      ('train/cat/1.png', 'test/cat/1.png', 'loose.png'),
      "'loose.png' lies beside what looks like a split: 'test', 'train'; ",
    ),
    (
      ('seg_train/a/1.png', 'seg_test/a/1.png', 'seg_pred/1.png'),
      "'seg_pred' lies beside what looks like a split: 'seg_test', 'seg_train'; ",
    ),
    (('cat_train/1.png', 'cat_test/1.png', 'dog_train/1.png', 'dog_test/1.png'), 'these look like splits of more than'),
    (
      ('mytrain/1.png', 'mytest/1.png', 'cat/1.png'),
      "'cat' lies beside what looks like a split: 'mytest', 'mytrain'; ",
    ),
    (('atrain/1.png', 'atest/1.png', 'btrain/1.png', 'btest/1.png'), 'these look like splits of more than one set: '),
    (('cat/tr/1.png', 'cat/te/1.png', 'dog/1.png'), "'cat' holds what looks like a split: 'cat/te', 'cat/tr'; "),
    (('trainA/1.png', 'trainB/1.png', 'testA/1.png', 'testB/1.png'), 'these look like splits of more than one set: '),
    (
      ('train-jpg/1.png', 'test-jpg-additional/1.png'),
      "'test-jpg-additional', 'train-jpg' look like splits, but differ",
    ),
    (('train_cats/1.png', 'train_dogs/1.png', 'test_mix/1.png'), "'test_mix', 'train_cats', 'train_dogs' look like"),
    (('data_batch_1/1.png', 'test_batch/1.png'), "'data_batch_1' lies beside what looks like a split: 'test_batch'; "),
    (('dev/1.png', 'eval/1.png'), "no train/ with images is among the folders that look like splits: 'dev', 'eval'; "),
    (
      ('set/test/1.png', 'set/test/2.png'),
      "no train/ with images is among the folders that look like splits: 'test'; ",
    ),
    (
      ('cat/train/1.png', 'cat/test/2.png', 'dog/train/1.png'),
      "'cat' holds what looks like a split: 'cat/test', 'cat/train'; ",
    ),
    (('cat/1.png', 'cat/Testing/2.png', 'dog/1.png'), "'cat' holds what looks like a split: 'cat/Testing'; "),
    (
      ('a/x/seg_train/1.png', 'a/x/seg_test/2.png', 'b/1.png'),
      "'a/x' holds what looks like a split: 'a/x/seg_test', 'a/x/seg_train'; ",
    ),
    (
      ('train/cat/1.png', 'train/test/2.png', 'train/dog/1.png'),
      "'train' holds what looks like a split: 'train/test'; ",
    ),
    (
      ('train/train/a/1.png', 'train/val/a/1.png', 'test/a/1.png'),
      "'train' holds what looks like a split: 'train/train', 'train/val'; ",
    ),
  ],
)
def test_what_looks_like_a_split_is_refused_beside_and_below_classes(names, problem):
  with pytest.raises(ValueError, match=r'^folder:set: ') as caught:
    splits(*names)
  assert problem in str(caught.value) and '\n' not in str(caught.value)
  assert 'put splits on top, as in train/cat/1.png and test/cat/2.png' in str(caught.value)


def test_trains_may_be_a_class_of_a_split_and_that_is_told():
  names = [f'{split}/{label}/1.png' for split in ('train', 'test') for label in ('bus', 'car', 'train')]
  _, rest, notes = splits(*names)
  assert layout.classes(rest, 'folder:set') == ['bus', 'car', 'train'] * 2
  assert notes == [f"'{split}/train' is read as a class called train, not as a split" for split in ('test', 'train')]


def test_the_folder_of_a_split_in_itself_is_passed_over():
  found, rest, _ = splits('seg_train/seg_train/a/1.png', 'seg_train/seg_train/b/1.png', 'seg_test/seg_test/a/1.png')
  assert found == ['train', 'train', 'test'] and rest == paths('a/1.png', 'b/1.png', 'a/1.png')


@pytest.mark.parametrize(
  ('names', 'classes'),
  [
    (('train/images/a/1.png', 'train/images/b/1.png', 'test/images/a/1.png'), ['a', 'b', 'a']),
    (('train/images/1.png', 'valid/images/1.png', 'test/images/1.png'), []),
    (('train/cat/1.png', 'test/cat/1.png'), ['cat', 'cat']),
    (('train/x/images/a/1.png', 'test/x/images/b/1.png'), ['a', 'b']),
  ],
)
def test_folders_that_all_splits_share_are_passed_over(names, classes):
  assert layout.classes(splits(*names)[1], 'folder:set') == classes


def test_names_of_files_give_no_splits_and_that_is_told():
  _, _, notes = splits('train_1.png', 'train_2.png', 'test_1.png')
  assert notes == ["names of files such as 'train_1.png' and 'test_1.png' give no splits, only folders and tables do"]
  assert splits('test_1.png', 'test_2.png', 'trainer_1.png')[2] == []


def test_two_folders_of_one_name_are_refused():
  composed, decomposed = 'caf\u00e9', 'cafe\u0301'
  with pytest.raises(ValueError, match=r"2 class folders are called 'café', written as 'cafe\\u0301' and 'caf\\xe9'"):
    layout.classes(paths(f'{composed}/1.png', f'{decomposed}/2.png', 'tea/3.png'), 'folder:set')
  assert layout.classes(paths('Cat/1.png', 'cat/2.png'), 'folder:set') == ['Cat', 'cat']
  assert layout.classes(paths(f'{decomposed}/1.png'), 'folder:set') == [composed]
