"""What becomes of streams by their rules: waiting for another one, service, jobs of another order.

Each function makes runs of runs (`runs`) by whole numbers where both are straight, and by a few
numpy calls on a period where they repeat. Where no short period is left, the jobs at hand are
computed one by one.
"""

from collections.abc import Iterator, Sequence
from math import gcd, lcm

import numpy as np

from hermes_sim.runs import Pattern, Run, Runs, TimesPs, patterned

LONGEST = 2**14  # pattern
_NEVER = -(2**62)

_Pair = tuple[int, int, Run, Run]


def later(one: Runs, other: Runs) -> Runs:
    """Each job when the later of both is there."""
    if one is other:
        return one
    made: list[Run] = []
    for start, stop, first, second in _aligned(one, other):
        if first.pattern is None and second.pattern is None:
            _later_straight(start, stop, first, second, made)
        else:
            made += _later(start, stop, first, second)
    return Runs.joined(made)


def served(runs: Runs, service: int) -> Runs:
    """The ends of jobs that are there at these times, one after the other for so long each.

    In time less service * number of job, an end is the latest release up to there.
    """
    made: list[Run] = []
    most = _NEVER  # the latest release before the run
    for run in runs.runs:
        if run.pattern is not None:
            if _is_free(run, run.pattern, service, most):
                made.append(run._replace(time=run.time + service))
            else:
                made += _served(run, service, most)
            last = made[-1]
            most = last.at(last.stop - 1) - service * last.stop
            continue
        start, stop, time, step, _ = run
        base, gain = time - service * start, step - service
        if gain <= 0 or stop - start == 1:
            most = base if base > most else most
            made.append(Run(start, stop, most + service * (start + 1), service))
            continue
        waiting = 0 if most < base else min(stop - start, (most - base) // gain + 1)
        if waiting:
            made.append(_back_to_back(start, start + waiting, most, service))
        if start + waiting < stop:
            made.append(Run(start + waiting, stop, time + waiting * step + service, step))
            most = base + (stop - start - 1) * gain
    return Runs.joined(made)


def taken(times: Runs, at: Runs) -> Runs:
    """Job i as job at[i] of these times; at 0 where that is -1."""
    return Runs.joined([run for places in at.runs for run in _taken(times, places)])


def dealt(servers: Sequence[Runs]) -> Runs:
    """The jobs of several streams in turn: one of each, and so on."""
    many, rounds = len(servers), min(len(times) for times in servers)
    cuts = sorted({run.start for times in servers for run in times.runs if run.start < rounds})
    made: list[Run] = []
    for start, stop in zip(cuts, [*cuts[1:], rounds], strict=True):
        parts = [run for times in servers for run in times.between(start, stop)]
        period = lcm(*(run.period for run in parts))
        step = {period // run.period * run.step for run in parts}
        if len(step) > 1 or period * many > LONGEST:
            period = stop - start
        period = min(period, stop - start)
        pattern = np.stack([run.values(start, period) for run in parts], axis=1).reshape(-1)
        made.append(patterned(start * many, stop * many, pattern, min(step)))
    rest = [times[rounds] for times in servers if len(times) > rounds]
    if rest:
        done = rounds * many
        made.append(patterned(done, done + len(rest), np.array(rest, np.int64), 0))
    return Runs.joined(made)


def last_equal(one: Runs, other: Runs, job: int) -> int:
    """The last job up to that one that is at the same time in both."""
    for start, stop, first, second in reversed(_aligned(one, other)):
        if start <= job:
            found = _last_equal(start, min(job + 1, stop), first, second)
            if found is not None:
                return found
    raise AssertionError("the first job waits for none")


def _aligned(one: Runs, other: Runs) -> list[_Pair]:
    """Where runs of both begin and end, and the two runs there."""
    if len(one.runs) == len(other.runs) == 1:
        return [(0, one.count, one.runs[0], other.runs[0])]
    made = []
    i = j = start = 0
    while start < one.count:
        first, second = one.runs[i], other.runs[j]
        stop = min(first.stop, second.stop)
        made.append((start, stop, first, second))
        i += first.stop == stop
        j += second.stop == stop
        start = stop
    return made


def _spread(start: int, stop: int, first: Run, second: Run) -> tuple[Run, TimesPs, Run, TimesPs]:
    """The jobs of two runs with one period, and their times in it; that is all of them where no
    short period is common."""
    count = stop - start
    period = min(lcm(first.period, second.period), count)
    period = count if period > LONGEST else period
    return (*_long(start, stop, first, period), *_long(start, stop, second, period))


def _long(start: int, stop: int, run: Run, period: int) -> tuple[Run, TimesPs]:
    """Some jobs of a run, with a longer period."""
    times = run.values(start, period)
    step, time = period * run.step // run.period, int(times[0])
    return Run(start, stop, time, step, Pattern(times - time, 0)), times


def _later(start: int, stop: int, first: Run, second: Run) -> Iterator[Run]:
    """Of runs of which one repeats."""
    alike = first.pattern is second.pattern and first.step == second.step
    if alike and first.start == second.start == start:
        yield Run(start, stop, max(first.time, second.time), first.step, first.pattern)
        return
    first, times, second, others = _spread(start, stop, first, second)
    period, count = len(times), stop - start
    if count <= period or first.step == second.step:
        yield patterned(start, stop, np.maximum(times, others), first.step)
        return
    if first.step < second.step:
        first, times, second, others = second, others, first, times
    gain = first.step - second.step  # so the first one is the later one in the end
    turns = np.maximum(-((times - others) // gain), 0)
    mixed, most = (min(int(n) * period, count) for n in (turns.min(), turns.max()))
    if mixed:
        yield patterned(start, start + mixed, others, second.step)
    if mixed < most:
        both = (run.values(start + mixed, most - mixed) for run in (first, second))
        yield patterned(start + mixed, start + most, np.maximum(*both), 0)
    if most < count:
        known = min(period, stop - start - most)
        yield patterned(start + most, stop, first.values(start + most, known), first.step)


def _later_straight(start: int, stop: int, first: Run, second: Run, made: list[Run]) -> None:
    if first.step < second.step:
        first, second = second, first
    time, other = first.at(start), second.at(start)
    gain, behind = first.step - second.step, other - time
    if behind <= 0:
        made.append(Run(start, stop, time, first.step))
        return
    turns = -(-behind // gain) if gain else stop - start  # that the second one is the later one
    middle = min(start + turns, stop)
    made.append(Run(start, middle, other, second.step))
    if middle < stop:
        made.append(Run(middle, stop, first.at(middle), first.step))


def _is_free(run: Run, pattern: Pattern, service: int, most: int) -> bool:
    """Whether no job of a run waits for the one before it."""
    ends = run.stop - run.start <= len(pattern.after) or run.step - pattern.last >= service
    return ends and pattern.gap >= service and run.time - service * run.start >= most


def _served(run: Run, service: int, most: int) -> Iterator[Run]:
    """Of a run whose times repeat."""
    period, count, start = run.period, run.stop - run.start, run.start
    known, gain = min(period, count), run.step - service * period
    numbers = np.arange(start, start + known, dtype=np.int64) * service
    latest = np.maximum.accumulate(run.values(start, known) - numbers)
    top, numbers = int(latest[-1]), numbers + service
    if count <= period or gain <= 0:
        latest = np.maximum(latest, most)
        yield patterned(start, start + known, latest + numbers, 0)
        if known < count:
            yield _back_to_back(start + known, run.stop, max(top, most), service)
        return
    if most <= latest[0] >= top - gain:  # no round waits for the one before
        yield patterned(start, run.stop, latest + numbers, run.step)
        return
    turns = max(0, (most - top) // gain + 1)  # that only wait for what came before
    waiting = min(turns * period, count)
    if waiting:
        yield _back_to_back(start, start + waiting, most, service)
    if waiting == count:
        return
    start, numbers, known = (
        start + waiting,
        numbers + waiting * service,
        min(period, count - waiting),
    )
    ends = np.maximum(latest + turns * gain, most)[:known] + numbers[:known]
    yield patterned(start, start + known, ends, 0)
    if start + known < run.stop:
        ends = np.maximum(latest + (turns + 1) * gain, top + turns * gain)
        ends += numbers + service * period
        yield patterned(start + known, run.stop, ends, run.step)


def _back_to_back(start: int, stop: int, latest: int, service: int) -> Run:
    return Run(start, stop, latest + service * (start + 1), service)


def _taken(times: Runs, places: Run) -> Iterator[Run]:
    """The jobs that one run of places names, turn by turn of its pattern."""
    start, stop, first, step, pattern = places
    period = places.period
    turns = -(-(stop - start) // period)
    if turns == 1 or step <= 0:
        yield from _named(times, places)
        return
    low = high = first
    if pattern is not None:
        low, high = first + int(pattern.after.min()), first + int(pattern.after.max())
    done = 0
    for run in times.runs:
        begin = max(done, -((low - run.start) // step))
        end = min(turns, (run.stop - 1 - high) // step + 1)
        if begin < end:  # the turns that lie in that run as a whole
            if done < begin:
                yield _one_by_one(times, places, start + done * period, start + begin * period)
            yield _taken_of(run, places, start + begin * period, min(start + end * period, stop))
            done = end
    if done < turns:
        yield _one_by_one(times, places, start + done * period, stop)


def _named(times: Runs, places: Run) -> Iterator[Run]:
    """Places of one turn, or the same in all turns."""
    start, stop, first, step, pattern = places
    if pattern is None and (stop - start == 1 or not step):
        yield Run(start, stop, times[first] if first >= 0 else 0, 0)
    elif step < 0 or pattern is None:
        yield _one_by_one(times, places, start, stop)
    else:
        yield patterned(
            start, stop, times.take(places.values(start, min(places.period, stop - start))), 0
        )


def _one_by_one(times: Runs, places: Run, start: int, stop: int) -> Run:
    if stop == start + 1:
        job = places.at(start)
        return Run(start, stop, times[job] if job >= 0 else 0, 0)
    return patterned(start, stop, times.take(places.values(start, stop - start)), 0)


def _taken_of(run: Run, places: Run, start: int, stop: int) -> Run:
    """Jobs that all lie in one run."""
    if run.pattern is None:
        step = places.step * run.step
        if places.pattern is None:
            return Run(start, stop, run.at(places.at(start)), step)
        begin = run.at(places.at(start))
        if not places.pattern.last and not places.pattern.gap:  # all of a turn at once
            return Run(start, stop, begin, step, places.pattern)
        return patterned(start, stop, places.pattern.after * run.step + begin, step)
    turns = run.period // gcd(run.period, places.step)
    known = turns * places.period
    known = stop - start if known > LONGEST else min(known, stop - start)
    step = turns * places.step // run.period * run.step
    return patterned(start, stop, run.take(places.values(start, known)), step)


def _last_equal(start: int, stop: int, first: Run, second: Run) -> int | None:
    """The last job from start, before stop, at which both runs are at the same time."""
    if first.pattern is None and second.pattern is None:
        apart, gain = first.at(start) - second.at(start), second.step - first.step
        if not gain:
            return stop - 1 if not apart else None
        turn, rest = divmod(apart, gain)
        return start + turn if not rest and 0 <= turn < stop - start else None
    first, times, second, others = _spread(start, stop, first, second)
    aparts, period, gain = times - others, len(times), second.step - first.step
    turns = (stop - start - 1 - np.arange(period)) // period  # the last period of each place
    if gain:
        met, rests = np.divmod(aparts, gain)
        good = (rests == 0) & (met >= 0) & (met <= turns)
        turns = met
    else:
        good = (aparts == 0) & (turns >= 0)
    found = (turns * period + np.arange(period))[good]
    return start + int(found.max()) if len(found) else None
