"""Labels and splits in tables, against Hugging Face's reader of such folders and rows written by hand."""

import json
import pathlib

import datasets
import pytest

from gengan.data.sources import open_source, tables

IMAGES = ['1.png', '2.png', '3.png']
SIMPLE = 'file_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n'


def read(content, images=IMAGES, needed=True, places=()):
  """The labels by tables {name: text}."""
  data = {name: text.encode() if isinstance(text, str) else text for name, text in content.items()}
  return tables.labels(images, [*data], data.__getitem__, needed=needed, spec='folder:set', places=places)


@pytest.mark.parametrize(
  'text',
  [
    SIMPLE,
    SIMPLE.replace('\n', '\r\n'),
    '\ufeff' + SIMPLE,
    SIMPLE.rstrip() + '\n\n\n',
    SIMPLE.replace(',', ';'),
    SIMPLE.replace(',', '\t'),
    SIMPLE.replace('cat', '" cat "'),
    SIMPLE.replace('file_name,label', ' File_Name , LABEL '),
    SIMPLE.replace('file_name,label', 'image,class'),
    SIMPLE.replace(',cat', ', "cat"'),
    SIMPLE.replace('1.png', './1.png').replace('2.png', '.\\2.png'),
    SIMPLE.replace('\n', ',,\n'),
    SIMPLE.replace('\n', '\r'),
    'label,file_name\ncat,1.png\ndog,2.png\ncat,3.png',
  ],
)
def test_the_ways_to_write_a_table(text):
  assert read({'labels.csv': text})[:3] == (['cat', 'dog', 'cat'], ['labels.csv'], [])


def test_names_without_the_path_of_an_image_are_told():
  text = SIMPLE.replace('1.png', '/home/me/1.png').replace('2.png', 'C:\\me\\2.png').replace('3.png', 'me/3.png')
  found = read({'labels.csv': text})
  assert found.of_images == ['cat', 'dog', 'cat']
  path = "'/home/me/1.png'"
  assert found.notes == [f"'labels.csv' has no path of an image, such as {path}: images are found by their name alone"]


@pytest.mark.parametrize('labels', [('train', 'test'), ('Training', 'val_set'), ('seg_train', 'seg_test')])
def test_labels_that_look_like_splits_are_refused(labels):
  text = 'file_name,label\n' + ''.join(f'{i}.png,{labels[i % 2]}\n' for i in (1, 2, 3))
  with pytest.raises(ValueError, match=r"labels in 'labels.csv' look like splits: .*; call the column split if they"):
    read({'labels.csv': text})
  assert read({'labels.csv': text.replace('file_name,label', 'file_name,split')}).splits


@pytest.mark.parametrize('column', ['usage', 'dataset', 'phase', 'fold'])
def test_columns_of_other_names_give_splits_where_all_their_values_do(column):
  text = f'file_name,label,{column}\n1.png,cat,Training\n2.png,dog,test\n3.png,cat,Training\n'
  assert read({'labels.csv': text}).splits == ['train', 'test', 'train']
  assert not read({'labels.csv': text.replace('Training', '1')}).splits


def test_numbers_in_a_column_partition_are_celebas_splits():
  text = 'image_id,partition\n1.png,0\n2.png,2\n3.png,1\n'
  told = read({'labels.csv': text})
  assert told.splits == ['train', 'test', 'validation']
  assert told.notes == ["'labels.csv' gives the splits by 'partition' ('0' as train, '1' as validation, '2' as test)"]
  for other in (text.replace('partition', 'fold'), text.replace(',2', ',3')):
    assert not read({'labels.csv': other}).splits


def test_a_number_of_thousands_of_digits_is_damage_of_a_line():
  row = '{"file_name": "1.png", "label": ' + '9' * 5000 + '}'
  with pytest.raises(ValueError, match=r"'labels.jsonl' is damaged in line 1: it has thousands of digits of a number$"):
    read({'labels.jsonl': row})


def test_quotes_commas_and_lines_within_fields():
  text = 'file_name,label\n"a, b.png","salt, ""sea"""\n2.png,"two\nlines"\n'
  assert read({'labels.csv': text}, ['a, b.png', '2.png']).of_images == ['salt, "sea"', 'two\\nlines']


@pytest.mark.parametrize('name', ['metadata.csv', 'metadata.jsonl'])
@pytest.mark.parametrize('folders', [('',), ('train/', 'test/')])
def test_folders_are_read_as_datasets_does(tmp_path, picture, monkeypatch, name, folders):
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', str(tmp_path / 'cache'))
  for folder in folders:
    (tmp_path / 'set' / folder).mkdir(parents=True, exist_ok=True)
    rows = [{'file_name': f'{i}.png', 'label': ('owl', 'elk')[i % 2]} for i in range(4)]
    for i in range(4):
      (tmp_path / 'set' / folder / f'{i}.png').write_bytes(picture(i + 10 * len(folder)))
    lines = [json.dumps(row) for row in rows]
    if name.endswith('csv'):
      lines = ['file_name,label', *(','.join(row.values()) for row in rows)]
    (tmp_path / 'set' / folder / name).write_text('\n'.join(lines))
  source = open_source(f'folder:{tmp_path / "set"}')
  ours = {
    (split, records.read(i)[-30:], source.class_names[records.labels[i]])
    for split, records in source.splits.items()
    for i in range(len(records))
  }
  found = datasets.load_dataset('imagefolder', data_dir=str(tmp_path / 'set')).cast_column(
    'image', datasets.Image(decode=False)
  )
  theirs = {
    (str(split), pathlib.Path(row['image']['path']).read_bytes()[-30:], row['label'])
    for split, rows in found.items()
    for row in rows
  }
  assert ours == theirs and len(ours) == 4 * len(folders)


@pytest.mark.parametrize(
  ('labels', 'order'),
  [
    (('10', '9', '-1'), ('-1', '9', '10')),
    (('10', '9', 'x'), ('10', '9', 'x')),
    (('01', '1', '2'), ('01', '1', '2')),
    (('b', 'B', 'a'), ('B', 'a', 'b')),
    (('8' * 5000, '9', '10'), ('10', '8' * 5000, '9')),
  ],
)
def test_classes_are_sorted(image_set, picture, labels, order):
  rows = ''.join(f'{i}.png,{label}\n' for i, label in enumerate(labels))
  content = {f'{i}.png': picture(i) for i in range(3)} | {'labels.csv': f'file_name,label\n{rows}'.encode()}
  source = open_source(image_set('folder', content))
  assert source.class_names == order
  assert [source.class_names[i] for i in source.splits['train'].labels] == [*labels]


def test_whole_numbers_in_json_are_labels_like_their_text():
  text = (
    '{"file_name": "1.png", "label": 3}\n\n{"file_name": "2.png", "label": "3"}\n{"label": "x", "file_name": "3.png"}'
  )
  assert read({'metadata.jsonl': text}).of_images == ['3', '3', 'x']


def test_a_table_above_a_folder_may_name_files_without_it():
  text = SIMPLE.replace('3.png,cat\n', '')
  assert read({'labels.csv': text}, ['images/1.png', 'images/2.png']).of_images == ['cat', 'dog']
  with pytest.raises(ValueError, match='names none of the images'):
    read({'labels.csv': SIMPLE}, ['a/1.png', 'b/1.png'])


def test_the_nearest_table_counts():
  content = {'labels.csv': 'file_name,label\n1.png,x\na/2.png,x\n', 'a/labels.csv': 'file_name,label\n2.png,y\n'}
  assert read(content, ['1.png', 'a/2.png'])[:3] == (['x', 'y'], ['labels.csv', 'a/labels.csv'], [])


def test_names_are_found_however_their_accents_are_encoded():
  assert read({'labels.csv': 'file_name,label\ncafe\u0301.png,a\n'}, ['caf\u00e9.png']).of_images == ['a']
  assert read({'labels.csv': b'file_name,label\ncaf\xe9.png,th\xe9\n'}, ['caf\udce9.png']).of_images == ['th\\xe9']


@pytest.mark.parametrize(
  ('text', 'problem'),
  [
    ('', 'has the columns none; its columns must be file_name and label'),
    ('1.png,cat\n2.png,dog\n', "has the columns '1.png', 'cat'; its columns must be file_name and label"),
    ('file_name,label,label\n1.png,cat,dog\n', "has the columns 'file_name', 'label', 'label', two of one name"),
    ('id,breed\n1,cat\n', "has the columns 'id', 'breed'; its columns must be"),
    ('file_name,label\n1.png,cat\n2.png,\n3.png,dog\n', 'is wrong in line 3: label is empty'),
    ('file_name,label\n1.png,cat\n2.png\n', 'is wrong in line 3: it has 1 fields, but the first line 2'),
    ('file_name,label\n1.png,cat,dog\n', 'is wrong in line 2: it has 3 fields'),
    ('file_name,label\n1.png,"cat\n2.png,dog\n', 'is damaged in line 3: unexpected end of data'),
    ('file_name,label\n1.png,cat\n1.png,dog\n2.png,dog\n', "labels '1.png' 'cat' in line 2 and 'dog' in line 3"),
    ('file_name,label\n1.png,cat\n', "images without a row in 'labels.csv': 2, '2.png', '3.png'"),
    (
      'file_name,label\nx.png,cat\n',
      "names none of the images: they are called '1.png', '2.png', '3.png', its rows 'x.png'",
    ),
    (SIMPLE.encode('utf-16'), 'is UTF-16; save it as UTF-8'),
    (SIMPLE.encode() + b'\0\0', 'line'),
  ],
)
def test_mistakes_in_a_table_are_one_line(text, problem):
  with pytest.raises(ValueError) as caught:
    read({'labels.csv': text})
  assert str(caught.value).startswith('folder:set: ') and problem in str(caught.value)
  assert "'labels.csv'" in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
  ('line', 'problem'),
  [
    ('{"file_name": "2.png", "label": null}', 'is wrong in line 2: label is empty'),
    ('{"file_name": "2.png"}', 'is wrong in line 2: label is empty'),
    (
      '{"file_name": "2.png", "label": [1, 2]}',
      r'is wrong in line 2: label is \[1, 2\]; it must be a string or a whole',
    ),
    ('{"file_name": "2.png", "label": 1.5}', 'is wrong in line 2: label is 1.5; it must be a string or a whole'),
    ('{"file_name": "2.png", "label": true}', 'is wrong in line 2: label is True'),
    ('{"file_name": 2, "label": 1}', 'images without a row'),
    ('["2.png", 1]', 'is wrong in line 2: it must be an object with file_name and label'),
    ('{"file_name": "2.png"', 'is damaged in line 2: '),
    ('[' * 100_000, 'is damaged in line 2: '),
  ],
)
def test_mistakes_in_json_lines_are_one_line(line, problem):
  with pytest.raises(ValueError, match=problem):
    read({'metadata.jsonl': f'{{"file_name": "1.png", "label": 1}}\n{line}\n'})


def test_what_is_in_a_table_beside_the_labels_is_told():
  rows = 'file_name,label,width\n1.png,cat,4\n1.png,cat,4\n2.png,dog,4\n3.png,cat,4\ngone.png,cat,4\n'
  assert read({'labels.csv': rows}).notes == [
    "'labels.csv' gives the labels by 'label'; not used: 'width'",
    "'labels.csv' names files that are not there: 1, 'gone.png'",
    "'labels.csv' names files more than once: 1, '1.png'",
  ]
  both = read({'labels.csv': SIMPLE, 'metadata.csv': SIMPLE.replace('cat', 'cow')})
  assert both.of_images == ['cat', 'dog', 'cat']
  assert both.notes == ["'metadata.csv' is not used beside 'labels.csv'"]
  caption = read({'metadata.csv': 'file_name,caption\n1.png,red\n'})
  assert caption[:3] == ([], [], ["'metadata.csv' has the columns 'file_name', 'caption' and no label: it is not used"])


def test_a_table_that_is_not_understood_is_a_note_where_folders_give_labels():
  told = read({'labels.csv': 'id,breed\n1,cat\n'}, ['a/1.png', 'b/2.png'], needed=False)
  problem = "it has the columns 'id', 'breed'; its columns must be file_name and label"
  assert told[:3] == ([], [], [f"'labels.csv' is not used: {problem}"])


@pytest.mark.parametrize(
  'rows, called',
  [
    (('10,cat', '2,dog', '10,cat'), {'10': 'cat', '2': 'dog'}),
    (('0,cat', '1,cat', '0,cat'), {}),  # two labels of one name
    (('0,cat', '1,dog', '0,cow'), {}),  # two names of one label
    (('0,cat', '1,', '0,cat'), {}),
    (('a,cat', 'b,dog', 'a,cat'), {}),  # the labels are names themselves
  ],
)
def test_a_column_class_name_says_what_numbers_are_called_where_it_is_clear(rows, called):
  lines = [f'{name},{row}' for name, row in zip(IMAGES, rows, strict=True)]
  told = read({'labels.csv': '\n'.join(['file_name,label,class_name', *lines])})
  assert told.called == called and told.of_images == [row.partition(',')[0] for row in rows] and not told.notes


SPLIT = 'file_name,label,split\n1.png,cat,train\n2.png,dog,test\n3.png,cat,train\n'


@pytest.mark.parametrize('column', ['split', ' Split ', 'subset', 'set', 'partition'])
@pytest.mark.parametrize(
  ('words', 'meaning'),
  [(('train', 'test'), 'test'), (('TRAIN', 'Val'), 'validation'), (('training', 'dev'), 'validation')],
)
def test_a_column_gives_the_splits(column, words, meaning):
  lines = [f'1.png,cat,{words[0]}', f'2.png,dog, {words[1]}', f'3.png,cat,{words[0]}']
  told = read({'labels.csv': '\n'.join([f'file_name,label,{column}', *lines])})
  assert told.of_images == ['cat', 'dog', 'cat'] and told.splits == ['train', meaning, 'train']
  values = ', '.join(f"'{word}' as {split}" for word, split in sorted(zip(words, ('train', meaning), strict=True)))
  called = column if column != ' Split ' else 'Split '  # what csv leaves of it
  assert told.notes == [f"'labels.csv' gives the labels by 'label' and the splits by '{called}' ({values})"]


def test_splits_in_json_lines_and_without_labels():
  lines = [{'file_name': name, 'split': split} for name, split in zip(IMAGES, ('test', 'train', 'val'), strict=True)]
  told = read({'metadata.jsonl': '\n'.join(map(json.dumps, lines))})
  assert not told.of_images and told.splits == ['test', 'train', 'validation'] and told.used == ['metadata.jsonl']


def test_columns_called_like_splits_with_other_values_are_none():
  told = read({'labels.csv': SPLIT.replace('split', 'set').replace('test', 'summer')})
  assert not told.splits and told.notes == ["'labels.csv' gives the labels by 'label'; not used: 'set'"]
  both = read({'labels.csv': 'file_name,set,split\n1.png,a,train\n2.png,b,test\n3.png,a,test\n'})
  assert both.splits == ['train', 'test', 'test'] and both.notes[0].endswith("; not used: 'set'")


@pytest.mark.parametrize('needed', [True, False])
@pytest.mark.parametrize(
  ('text', 'problem'),
  [
    (
      SPLIT.replace('test', 'tets'),
      "'labels.csv' is wrong in line 3: split is 'tets'; it must be a word such as train",
    ),
    (SPLIT.replace('test', ''), "'labels.csv' is wrong in line 3: split is ''; it must be a word"),
    (SPLIT.replace('dog', ''), "'labels.csv' is wrong in line 3: label is empty"),
    (SPLIT.replace(',test', ''), "'labels.csv' is wrong in line 3: it has 2 fields, but the first line 3"),
    (SPLIT.replace('train', 'val'), "'labels.csv' gives no image for training"),
    (SPLIT + '1.png,cat,test\n', "labels '1.png' 'train' in line 2 and 'test' in line 5"),
    (SPLIT.replace('label,', 'split,'), "'file_name', 'split', 'split', two of one name"),
  ],
)
def test_mistakes_in_splits_are_one_line_whatever_gives_the_labels(needed, text, problem):
  if 'two of one name' in problem:
    text = text.replace('cat', 'train').replace('dog', 'train')
  with pytest.raises(ValueError) as caught:
    read({'labels.csv': text}, needed=needed)
  assert str(caught.value).startswith('folder:set: ') and problem in str(caught.value) and '\n' not in str(caught.value)


def test_splits_must_be_those_of_the_folders():
  images = ['train/1.png', 'test/2.png', 'train/3.png']
  text = SPLIT.replace('1.png', images[0]).replace('2.png', images[1]).replace('3.png', images[2])
  places = ['train', 'test', 'train']
  assert read({'labels.csv': text}, images, places=places).splits == places
  with pytest.raises(ValueError) as caught:
    read({'labels.csv': text.replace('cat,train', 'cat,val')}, images, places=places)
  told = "'labels.csv' gives 'train/1.png' the split validation in line 2, its folder train"
  assert str(caught.value) == f'folder:set: {told}'


def test_a_split_in_one_table_of_two_is_refused():
  content = {'a/labels.csv': 'file_name,label,split\n1.png,x,train\n', 'b/labels.csv': 'file_name,label\n2.png,y\n'}
  with pytest.raises(ValueError, match=r"images without a split in 'a/labels.csv', 'b/labels.csv': 1, 'b/2.png'"):
    read(content, ['a/1.png', 'b/2.png'])
