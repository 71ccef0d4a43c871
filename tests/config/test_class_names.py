"""Classes by name and by number, mixed."""

import pytest

from gengan.config import class_names
from gengan.core import ArgumentError

ANIMALS = ('cat', 'dog', 'hot dog', 'owl, barn', 'café', '猫')


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('cat,dog', [0, 1]),
    ('dog, 0 ,猫', [1, 0, 5]),
    ('5,5', [5, 5]),
    ('hot dog', [2]),
    ('cat,owl, barn,1', [0, 3, 1]),  # a name with a comma
    ('cafe\u0301', [4]),  # as macOS writes it
  ],
)
def test_names_and_numbers_may_be_mixed(text, expected):
  assert class_names.find(text, ANIMALS) == expected


def test_a_name_goes_before_a_number_and_that_is_said(caplog):
  assert class_names.find('1,10,0', ('1', '2', '10')) == [0, 2, 0]
  assert [record.getMessage() for record in caplog.records] == [
    '--labels=1 is the class of that name, number 0 of this run'
  ]
  caplog.clear()
  assert class_names.find('1,0', ('0', '1')) == [1, 0] and not caplog.records


@pytest.mark.parametrize(
  ('text', 'names', 'message'),
  [
    (
      'cat,dgo',
      ANIMALS,
      "labels is 'dgo', nearest to dog; it must be classes of this run, by name or number: 0 cat, 1",
    ),
    ('Cat', ANIMALS, "labels is 'Cat', nearest to cat;"),
    ('6', ANIMALS, "labels is '6'; it must be classes of this run, by name or number: 0 cat, 1 dog"),
    ('-1', ANIMALS, "labels is '-1'; it must be"),
    ('cat,', ANIMALS, "labels is ''; it must be"),
    ('10', tuple('0123456789'), "labels is '10'; it must be classes of this run, by name or number: 0 to 9"),
    ('x', tuple(f'class {i}' for i in range(1000)), '19 class 19, ... to 999 class 999'),
  ],
)
def test_what_is_no_class_is_told_with_what_there_is(text, names, message):
  with pytest.raises(ArgumentError) as caught:
    class_names.find(text, names)
  assert message in str(caught.value) and '\n' not in str(caught.value)
