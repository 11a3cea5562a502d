"""Collects everything that is wrong with a data source, and refuses it with all of it at once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import UserError

# shown of each problem, and shown of all problems; the others are counted
PLACES = 3
PROBLEMS = 20


@dataclass
class Problem:
    """One kind of problem, wherever it occurs.

    Attributes:
        subject: what has the problem, such as ``column 'y'``; empty for the data as a whole.
        what: what is wrong. A singular noun where occurrences are counted.
        remedy: what to do, in sentences.
        count: number of occurrences; 0 where series are counted instead.
        series: number of occurrences in each series.
        places: the first occurrences. Where ``count`` is 0, one for each of the first series.
    """

    subject: str
    what: str
    remedy: str
    count: int = 0
    series: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)

    def text(self, several: bool) -> str:
        """Return the problem in one line, which names series if the data has several."""
        head, details = self.what, self.places[:1]
        named = several and self.series
        if self.count:
            head = f"{self.count} {self.what}{'s' if self.count > 1 else ''}"
            details = [shown(self.places, self.count)]
            if named:
                counts = [f"{name}: {count}" for name, count in self.series.items()]
                details.append(f"series {shown(counts, len(counts))}")
        elif named:
            head = f"{self.what} in {len(self.series)} series"
            details = [shown(list(self.series), len(self.series))]
            if self.places:
                pairs = zip(self.series, self.places, strict=False)
                texts = [f"{name}: {place}" for name, place in pairs]
                details = [shown(texts, len(self.series), "; ")]
        subject = f"{self.subject}: " if self.subject else ""
        where = "; ".join(filter(None, details))
        return f"{subject}{head}{f' ({where})' if where else ''}. {self.remedy}"


class DataError(UserError):
    """Data that cannot be used, because of ``problems``."""

    def __init__(self, source: str, problems: Sequence[Problem], several: bool) -> None:
        """Make the message: one line for one problem, otherwise a line for each."""
        self.problems = list(problems)
        lines = [problem.text(several) for problem in problems[:PROBLEMS]]
        if len(problems) > 1:
            lines.insert(0, f"{len(problems)} problems")
        if len(problems) > PROBLEMS:
            lines.append(f"and {len(problems) - PROBLEMS} more")
        super().__init__(f"{source}: " + "\n- ".join(lines))


class Problems:
    """The problems found so far in one data source.

    Attributes:
        several: whether the data has several series, which messages then name.
    """

    def __init__(self, source: str) -> None:
        """Start without problems; ``source`` opens the message."""
        self.several = False
        self._source = source
        self._found: dict[tuple[str, str, str], Problem] = {}

    def add(
        self,
        what: str,
        remedy: str,
        *,
        subject: str = "",
        count: int = 0,
        series: Mapping[str, int] | Iterable[str] = (),
        places: Sequence[str] = (),
    ) -> None:
        """Add a problem, or more occurrences of a known one; see ``Problem`` for the arguments.

        ``series`` has a count for each name, or a name for each occurrence.
        """
        key = subject, what, remedy
        problem = self._found.setdefault(key, Problem(*key))
        problem.count += count
        problem.series.update(series)
        problem.places.extend(places[: PLACES - len(problem.places)])

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._found)

    def refuse(self) -> None:
        """Raise ``DataError`` if there is any problem."""
        if self._found:
            raise DataError(self._source, list(self._found.values()), self.several)


def shown(texts: Sequence[str], count: int, separator: str = ", ", most: int = PLACES) -> str:
    """Join ``most`` of the texts, and add how many of ``count`` are not shown."""
    joined = separator.join(texts[:most])
    rest = count - min(most, len(texts))
    return f"{joined} and {rest} more" if joined and rest > 0 else joined
