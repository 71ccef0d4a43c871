"""What is shown of a generator's training, by a clock that the test moves."""

from gengan.utility import console


def test_a_training_is_a_line_at_its_begin_and_one_at_its_end_with_its_time(capsys):
  now = 5.0
  shown = console.GeneratorConsole('all', 'runs/all', num_steps=2000, clock=lambda: now)
  now = 100.0  # what comes before the training is none of it
  shown.write_texts(0, {'training': '\n  model  gengan.models.dcgan'})
  shown.write_texts(0, {'compiling': 'train step'})
  shown.write_scalars(100, {'d_loss': 0.5})
  now += 3723.4
  shown.write_texts(2000, {'done': '\n  runs/all/samples', 'next': '\n  gengan sample'})
  assert capsys.readouterr().out.splitlines() == [
    'all: the generator trains to step 2,000; its progress: runs/all/metrics.jsonl',
    'all: the generator is trained, in 1:02:03',
  ]


def test_a_training_that_goes_on_says_from_where_and_one_that_is_complete_nothing(capsys):
  console.GeneratorConsole('all', 'runs/all', num_steps=2000).write_texts(2000, {'complete': 'at step 2,000'})
  assert not capsys.readouterr().out
  shown = console.GeneratorConsole('all', 'runs/all', num_steps=2000)
  shown.write_texts(1500, {'training': '', 'resume': 'at 1500'})
  shown.write_texts(1600, {'stopped': 'saved at step 1600'})  # of which the comparison itself speaks
  assert capsys.readouterr().out.startswith('all: the generator trains from step 1,500 to step 2,000; ')


def test_a_warning_is_shown_once(capsys):
  shown = console.GeneratorConsole('all', 'runs/all', num_steps=2000)
  for step in (500, 1000):
    shown.write_texts(step, {'warning': 'the samples are all alike'})
  assert capsys.readouterr().out == 'all: step 500 of the generator: the samples are all alike\n'
