"""The cleaning report as one HTML file that needs nothing else: pictures are inside."""

import base64
import html
import importlib.resources
import io
import string
from collections import Counter

import numpy as np
from PIL import Image

from gengan.data.clean.examine import Examined
from gengan.data.clean.findings import KINDS, Group
from gengan.data.decoding import squares
from gengan.data.sources.records import SPLITS, Source

MAX_GROUPS = 30  # shown of one finding
MAX_PICTURES = 8  # shown of one group
_SIDE = 108  # pixels of a picture on the page


def render(
  source: Source, facts: Examined, found: dict[str, list[Group]], *, excluded_kinds: tuple[str, ...], remarks: list[str]
) -> str:
  """The page: an overview, a table of all findings, then each finding with its pictures."""
  template = importlib.resources.files('gengan.data.clean').joinpath('templates/report.html').read_text('utf-8')
  dropped = {i for kind in excluded_kinds for group in found[kind] for i in group.members}
  verdict = (
    f'exclude.json leaves out {len(dropped):,} of {len(facts):,} examples; '
    f'use it with <code>--config.data.exclude=…/exclude.json</code>.'
    if dropped
    else 'Nothing needs to be left out: exclude.json is empty.'
  )
  return string.Template(template).substitute(
    source=html.escape(source.spec),
    sha256=source.sha256,
    overview=_overview(source, facts),
    summary=_summary(found, excluded_kinds),
    remarks=''.join(f'<p>{html.escape(remark)}</p>' for remark in remarks),
    verdict=verdict,
    sections=''.join(_section(source, facts, kind, groups, kind in excluded_kinds) for kind, groups in found.items()),
  )


def _overview(source: Source, facts: Examined) -> str:
  splits = ', '.join(f'{split} {len(source.splits[split]):,}' for split in SPLITS if split in source.splits)
  readable = [i for i in range(len(facts)) if i not in facts.errors]
  sizes = Counter(f'{facts.width[i]} x {facts.height[i]}' for i in readable)
  modes = Counter(facts.mode[i] for i in readable)
  classes = f'{len(source.class_names)}: {_listed(source.class_names)}' if source.class_names else 'none'
  rows = [
    ('Images', f'{len(facts):,} ({splits})'),
    ('Sizes', _listed([f'{size} ({count:,})' for size, count in sizes.most_common()])),
    ('Channels', _listed([f'{mode} ({count:,})' for mode, count in modes.most_common()])),
    ('Classes', classes),
  ]
  cells = ''.join(f'<tr><th>{name}</th><td>{html.escape(text)}</td></tr>' for name, text in rows)
  return f'<table>{cells}</table>'


def _listed(texts) -> str:
  shown = ', '.join(texts[:12])
  return f'{shown} and {len(texts) - 12} more' if len(texts) > 12 else shown


def _summary(found: dict[str, list[Group]], excluded_kinds: tuple[str, ...]) -> str:
  heads = ('Finding', 'Examples', 'Groups', 'Left out', 'Meaning')
  rows = [f'<tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr>']
  for kind, groups in found.items():
    title, meaning = KINDS[kind]
    count = sum(len(group.members) for group in groups)
    link = f'<a href="#{kind}">{title}</a>' if groups else title
    left_out = '' if not groups else 'yes' if kind in excluded_kinds else 'no'
    rows.append(
      f'<tr class="{"some" if groups else "none"}"><td>{link}</td><td class="number">{count:,}</td>'
      f'<td class="number">{len(groups):,}</td><td>{left_out}</td><td>{meaning}</td></tr>'
    )
  return f'<table>{"".join(rows)}</table>'


def _section(source: Source, facts: Examined, kind: str, groups: list[Group], dropped: bool) -> str:
  if not groups:
    return ''
  title, meaning = KINDS[kind]
  # The largest first, and where all are alike an even choice over the whole set.
  ranked = sorted(groups, key=lambda group: -len(group.members))
  if len(ranked[0].members) == len(ranked[-1].members) and len(ranked) > MAX_GROUPS:
    ranked = [ranked[i] for i in np.linspace(0, len(ranked) - 1, MAX_GROUPS).astype(int)]
  shown = ranked[:MAX_GROUPS]
  cap = f' Shown: {len(shown)} of {len(groups):,}.' if len(groups) > len(shown) else ''
  body = ''.join(_group(source, facts, group, dropped) for group in shown)
  return f'<h2 id="{kind}">{title} ({len(groups):,})</h2><p>{meaning}{cap}</p><div class="groups">{body}</div>'


def _group(source: Source, facts: Examined, group: Group, dropped: bool) -> str:
  figures = [] if group.kept is None else [_figure(source, facts, group.kept, 'kept', 'kept ')]
  for i in group.members[:MAX_PICTURES]:
    figures.append(_figure(source, facts, i, 'dropped' if dropped else '', 'left out ' if dropped else ''))
  more = len(group.members) - MAX_PICTURES
  note = html.escape(group.note) + (f'; {more:,} more not shown' if more > 0 else '')
  return f'<div class="group"><div class="pictures">{"".join(figures)}</div><p class="note">{note}</p></div>'


def _figure(source: Source, facts: Examined, i: int, css: str, word: str) -> str:
  split, name = str(facts.split[i]), facts.names[i]
  label = f' · {source.class_names[facts.labels[i]]}' if source.class_names else ''
  caption = f'<b>{word}</b>{html.escape(name)}<br><span class="quiet">{split}{html.escape(label)}</span>'
  lost = '<div class="lost">?</div>'
  picture = lost if i in facts.errors else _picture(source, source.splits[split].read(int(facts.index[i])))
  return f'<figure class="{css}">{picture}<figcaption>{caption}</figcaption></figure>'


def _picture(source: Source, data: bytes | np.ndarray) -> str:
  image = squares.decode(data, source.levels).image
  small = max(image.size) <= _SIDE
  kind, css = ('png', 'pixels') if small else ('jpeg', '')
  image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)  # leaves a small one as it is
  buffer = io.BytesIO()
  image.save(buffer, kind, quality=85)  # of a JPEG
  encoded = base64.b64encode(buffer.getvalue()).decode()
  return f'<img alt="" class="{css}" src="data:image/{kind};base64,{encoded}">'
