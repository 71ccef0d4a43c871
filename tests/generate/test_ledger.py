"""Receipts, refusals, and a list of files that vouches for the set."""

import pytest

from gengan.generate.formats import ledger, shards
from gengan.host import checksums


def test_shards_are_recorded_and_published(tmp_path):
  out = tmp_path / 'sets' / 'one'
  book = ledger.Ledger(out, {'num': 3})
  assert book.receipt(0) is None and book.once('x', lambda: None) is None
  book.record(0, [shards.place(book.root, 'a/b.txt', b'hello')], {'kept': 3})
  assert book.once('x', lambda: [1, 2]) == [1, 2]
  book.close()

  book = ledger.Ledger(out, {'num': 3})
  assert book.receipt(0)['kept'] == 3 and book.once('x', lambda: pytest.fail('found again')) == [1, 2]
  book.publish(1, [shards.place(book.root, 'card.json', b'{}')])
  assert sorted(path.name for path in out.iterdir()) == ['SHA256SUMS', 'a', 'card.json']
  assert not book.root.exists()
  checksums.verify(out)
  (out / 'a/b.txt').write_bytes(b'hellO')
  with pytest.raises(checksums.DamagedError, match=r'b\.txt'):
    checksums.verify(out)


def test_another_wish_or_a_second_process_is_refused(tmp_path):
  book = ledger.Ledger(tmp_path / 'set', {'num': 3, 'seed': 0, 'labels': (1, 2)})
  with pytest.raises(ValueError, match='another process'):
    ledger.Ledger(tmp_path / 'set', {'num': 3, 'seed': 0, 'labels': (1, 2)})
  ledger.Ledger(tmp_path / 'set', {'num': 3, 'seed': 0, 'labels': (1, 2)}, rank=1).close()
  book.close()
  with pytest.raises(ValueError, match=r'num 3 there and 4 here; seed 0 there and 1 here\. .*--out'):
    ledger.Ledger(tmp_path / 'set', {'num': 4, 'seed': 1, 'labels': (1, 2)})
  ledger.Ledger(tmp_path / 'set', {'num': 3, 'seed': 0, 'labels': (1, 2)}).close()


def test_what_is_left_after_publishing_is_cleaned_away(tmp_path):
  out = tmp_path / 'set'
  book = ledger.Ledger(out, {})
  book.close()
  ledger.clean(out)
  assert book.root.exists()
  (book.root / 'data').rename(out)  # killed here
  ledger.clean(out)
  assert not book.root.exists() and out.exists()


def test_an_empty_set_is_discarded_unless_another_process_is_at_work_on_it(tmp_path):
  one, other = (ledger.Ledger(tmp_path / 'set', {}, rank=rank) for rank in (0, 1))
  one.discard_if_empty()
  assert one.root.exists()
  other.discard_if_empty()
  assert not one.root.exists()
  book = ledger.Ledger(tmp_path / 'set', {})
  book.record(0, [shards.place(book.root, 'a.txt', b'hello')], {'kept': 1})
  book.discard_if_empty()
  assert book.root.exists()


@pytest.mark.parametrize('name', ['plan.json', 'receipts/00000.json', 'notes/x.json'])
def test_a_damaged_file_is_named(name, tmp_path):
  book = ledger.Ledger(tmp_path / 'set', {'num': 3})
  book.record(0, [shards.place(book.root, 'a.txt', b'hello')], {'kept': 3})
  book.once('x', lambda: [1, 2])
  book.close()
  (book.root / name).write_text('{"num":')
  with pytest.raises(ValueError, match=rf'{name} is damaged: .*\. Delete {book.root} and generate the set again$'):
    again = ledger.Ledger(tmp_path / 'set', {'num': 3})
    again.receipt(0), again.once('x', lambda: 3)


def test_a_folder_that_is_somebodys_own_is_refused_and_kept(tmp_path):
  own = tmp_path / 'set.partial' / 'data' / 'thesis.txt'
  own.parent.mkdir(parents=True)
  own.write_text('all of it')
  with pytest.raises(ValueError, match=r"set\.partial is needed .* holds 'thesis\.txt'; choose another --out"):
    ledger.Ledger(tmp_path / 'set', {})
  ledger.clean(tmp_path / 'set')
  assert [path.name for path in (tmp_path / 'set.partial').iterdir()] == ['data'] and own.exists()


@pytest.mark.parametrize('end', ['publish', 'discard'])
def test_a_file_that_was_put_beside_is_not_taken_away(end, tmp_path):
  book = ledger.Ledger(tmp_path / 'set', {})
  own = book.root / 'todo.txt'
  own.write_text('buy milk')
  if end == 'publish':
    book.publish(0, [])
  else:
    book.discard_if_empty()
  assert list(book.root.iterdir()) == [own]
