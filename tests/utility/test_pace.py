"""How much is done and how long the rest takes, by a clock that the test moves."""

from gengan.utility import pace


def test_time_left_is_that_of_the_classifiers_and_the_generators_at_the_pace_of_those_before():
  now = 100.0
  watch = pace.Pace(10, 4, {'a': 50, 'b': 150}, clock=lambda: now)
  now += 30  # 50 steps
  watch.generator_there('a')
  now += 8
  assert watch.measured() == '5 of 10, about 0:02:10 left'  # 5 classifiers of 8 s, 150 steps of 0.6 s
  now += 4
  assert watch.measured() == '6 of 10, about 0:01:54 left'  # 4 of 6 s
  now += 45
  watch.generator_there('b')
  now += 6
  assert watch.measured() == '7 of 10, about 0:00:18 left'


def test_a_generator_that_was_finished_before_says_nothing_about_the_others():
  now = 0.0
  watch = pace.Pace(4, 0, {'a': 0, 'b': 100}, clock=lambda: now)
  now += 1
  watch.generator_there('a')
  now += 10
  assert watch.measured() == '1 of 4, about 0:00:30 and the generators of other regimes left'
