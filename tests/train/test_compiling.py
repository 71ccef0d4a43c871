"""What is told of the first calls of functions."""

from gengan.train.compiling import FirstCalls


def test_the_first_call_is_told_before_and_timed_after_and_later_ones_are_silent():
  told, now = [], [0.0]

  def slow(value, *, by):
    assert told[-1] == ('compiling', 'weights') or told[-1][0] == 'compiled'
    now[0] += by
    return value

  def step(value):
    now[0] += 2
    return value + 1

  first = FirstCalls(lambda name, text: told.append((name, text)), clock=lambda: now[0])
  weights = first.watch('weights', lambda value: slow(value, by=1.25))
  step = first.watch('train step', step, last=True)
  assert told == []
  assert weights(3) == 3 and step(4) == 5
  assert told == [
    ('compiling', 'weights'),
    ('compiling', 'train step'),
    ('compiled', 'weights in 1.2 s, train step in 2.0 s'),
  ]
  assert weights(3) == 3 and step(4) == 5 and len(told) == 3
