"""All that is wrong with data, told at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import UserError

# what is shown of each problem, and of how many problems; the others are counted
EXAMPLES = 3
PROBLEMS = 20


@dataclass
class Finding:
    """One kind of problem: how often, in which series, and the first places."""

    problem: str
    remedy: str
    # what ``count`` counts, such as row; empty: the series that have the problem
    unit: str
    count: int = 0
    series: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)

    def text(self, several: bool) -> str:
        """Return the finding as one line.

        Args:
            several: whether the data has several series, which are then named.
        """
        parts = [self.problem]
        if self.unit:
            parts.append(f"in {self.count} {self.unit}{'s' if self.count > 1 else ''}")
            if several and self.series:
                listed = [f"{count} of {name}" for name, count in self.series.items()]
                parts.append(f"({_some(listed, len(listed), 'series', ', ')})")
        elif several and self.series:
            parts.append(f"in {len(self.series)} series")
        if self.unit or not several or not self.series:
            examples = _some([text for _, text in self.examples], self.count, "", ", ")
        else:
            texts = dict(self.examples)
            shown = [f"{name}: {texts[name]}" if name in texts else name for name in self.series]
            examples = _some(shown, len(shown), "", "; " if texts else ", ")
        text = " ".join(parts) + (f": {examples}" if examples else "")
        return f"{text}. {self.remedy}".rstrip()


class Report:
    """Collects what is wrong with a source, to refuse it with all of it at the end."""

    def __init__(self, source: str) -> None:
        """Start without findings; ``source`` opens the message."""
        self.source = source
        # whether the data has several series
        self.several = False
        self._findings: dict[tuple[str, str], Finding] = {}

    def add(
        self,
        problem: str,
        remedy: str,
        *,
        unit: str = "",
        series: Sequence[str] = (),
        examples: Sequence[str] = (),
        count: int = 1,
    ) -> None:
        """Add a problem; the same one, with the same remedy, is counted together.

        Args:
            problem: what is wrong.
            remedy: what to do, as sentences.
            unit: what is counted, such as row; empty: the series that have the problem.
            series: the series of each time that it occurs, empty where that is not known; or the
                one of all of them.
            examples: where it occurs first.
            count: how often it occurs, where ``series`` does not say.
        """
        finding = self._findings.setdefault((problem, remedy), Finding(problem, remedy, unit))
        count = max(count, len(series))
        finding.count += count
        each = [*series] * count if len(series) == 1 else series
        finding.series.update(name for name in each if name)
        names = list(series) if len(series) > 1 else [*series, ""][:1] * len(examples)
        room = EXAMPLES - len(finding.examples)
        finding.examples.extend(list(zip(names, examples, strict=False))[:room])

    def __bool__(self) -> bool:
        """Tell whether anything is wrong."""
        return bool(self._findings)

    def refuse(self) -> None:
        """End with all findings, if there are any.

        Raises:
            UserError: one line where there is one finding, otherwise a line for each.
        """
        texts = [finding.text(self.several) for finding in self._findings.values()]
        if len(texts) == 1:
            raise UserError(f"{self.source}: {texts[0]}")
        if texts:
            lines = [f"{self.source}: {len(texts)} problems", *texts[:PROBLEMS]]
            if len(texts) > PROBLEMS:
                lines.append(f"and {len(texts) - PROBLEMS} more")
            raise UserError("\n- ".join(lines))


def _some(texts: Sequence[str], count: int, unit: str, separator: str) -> str:
    """Join the first texts, and say how many of ``count`` are not shown."""
    shown = separator.join(texts[:EXAMPLES])
    rest = count - min(EXAMPLES, len(texts))
    return f"{shown} and {rest} more {unit}".rstrip() if shown and rest > 0 else shown
