import dataclasses

import pytest

from gengan.evaluate import protocol

PROTOCOL = protocol.Protocol(
  data_sha256='ab',
  split='test',
  training='90 images',
  preprocessing='8 x 8 x 1',
  num_real=100,
  num_generated=200,
  num_pairwise=100,
  network='pixels',
  network_sha256='cd',
  resizer='none',
  precision='float32',
  labels='drawn from the training labels',
  seeds=(0, 1),
  truncation=1.0,
  weights='averaged',
)


def evaluation(**changes):
  return protocol.Evaluation({'fd': 12.3456, 'z': -3.0}, {'fd': 0.0512}, dataclasses.replace(PROTOCOL, **changes))


def test_json_round_trip():
  original = dataclasses.replace(evaluation(), about={'step': 7})
  assert protocol.Evaluation.from_json(original.to_json()) == original


@pytest.mark.parametrize(
  'text', ['', '{}', '{"protocol": {}}', '[1]', '{"protocol": {"seeds": [1]}}', '{"protocol": []}', '[' * 10**5]
)
def test_what_is_no_evaluation_is_refused(text):
  with pytest.raises(ValueError, match='not an evaluation'):
    protocol.Evaluation.from_json(text)


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(protocol.Protocol)])
def test_two_protocols_never_share_a_table(field):
  other = {'seeds': (0,)}.get(field, 'another')
  with pytest.raises(ValueError, match=f'a and b cannot stand in one table: {field} is'):
    protocol.table({'a': evaluation(), 'b': evaluation(**{field: other})})


def test_a_table_shows_deviations_and_what_was_not_measured():
  other = dataclasses.replace(evaluation(), scores={'fd': 1.0}, deviations={})
  heads, rows = protocol.table({'a': evaluation(), 'b': other})
  assert heads == ('metric', 'a', 'b')
  assert rows == [('fd', '12.35 ± 0.051', '1'), ('z', '-3', '-')]
  lines = protocol.as_text(heads, rows).splitlines()
  assert lines[1].index('12.35') == lines[0].index('a')


def test_an_empty_table_is_refused():
  with pytest.raises(ValueError, match='no evaluation'):
    protocol.table({})
