"""Names are shown whole and as they are, but for what would make a terminal do something."""

import pytest

from gengan.host import names


@pytest.mark.parametrize(
  ('name', 'shown'),
  [
    ('café 猫 🙂', 'café 猫 🙂'),
    ('zero\u200dwidth', 'zero\u200dwidth'),  # joins letters in many scripts
    ('caf\udce9', 'caf\\xe9'),
    ('a\x1b[31m\n', 'a\\x1b[31m\\n'),
    ('evil\u202egnp.exe', 'evil\\u202egnp.exe'),
    ('\u2067a\u2069', '\\u2067a\\u2069'),
  ],
)
def test_bytes_and_characters_that_act_are_escaped(name, shown):
  assert names.printable(name) == shown


def test_names_that_look_the_same_are_the_same_and_can_be_told_apart():
  assert names.same('e\u0301') == 'é'
  assert names.distinct(['crane', 'crane_2', ' crane ', 'ship']) == ('crane', 'crane_2', 'crane_3', 'ship')
