"""The fast timeline against the event-by-event reference, and against schedules made by hand."""

from itertools import groupby, pairwise
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim import rules, runs
from hermes_sim.critical_path import critical_path
from hermes_sim.engine import cost
from hermes_sim.timeline import Timeline
from hermesrt.artifact.schema import (
    Artifact,
    HostStep,
    Manifest,
    Matrix,
    MvmStep,
    Route,
    Score,
    Tile,
)
from hermesrt.chip.load import chip_tables, load_chip
from hermesrt.chip.spec import ChipSpec, Mode
from hermesrt.errors import Location
from hermesrt.workload import HostWork, MvmWork, Needs, Workload

from .reference import Reference

HERE = Location()


def matrix(
    name: str,
    cascades: list[list[int]],
    heights: list[int],
    width: int,
    copies: int = 1,
    mode: Mode = "4-phase",
) -> Matrix:
    """A matrix whose cascades, those of one copy after another, run over these cores."""
    ends = np.cumsum([0, *heights]).tolist()
    rows = tuple(pairwise(ends))
    each = len(cascades) // copies
    tiles = tuple(
        Tile(
            j // each, s, rows[s], (j % each * width, (j % each + 1) * width), core,
            (0, heights[s]), (0, width),
        )
        for j, cascade in enumerate(cascades)
        for s, core in enumerate(cascade)
    )  # fmt: skip
    g_max = (1e-6,) * len(rows)
    return Matrix(name, name, mode, rows, tiles, ends[-1], width * each, g_max)


def mvm(name: str, of: str, vectors: int, needs: Needs) -> MvmWork:
    step = MvmStep(name, "x", of, None, None, False, HERE, "codes", 1.0, (1.0,), 0.0)
    return MvmWork(step, vectors, needs)


def host(name: str, elements: int, needs: Needs) -> HostWork:
    step = HostStep(name, "aten.neg.default", [], {}, HERE)
    return HostWork(step, elements, elements, 0, needs)


def workload(
    chip: ChipSpec, work: list[MvmWork | HostWork], matrices: list[Matrix], routes: list[Route]
) -> Workload:
    manifest = Manifest(
        "made", "test", chip_tables(chip), (), (), (work[-1].step.name,), tuple(matrices),
        tuple(routes), (), True, 0, (), Score("cores", "test", "cores", 1.0, 1.0), 2,
    )  # fmt: skip
    return Workload(Artifact(manifest, {}, {}), 1, tuple(work))


@st.composite
def programs(draw: st.DrawFn) -> tuple[ChipSpec, Workload, Mode | None]:
    """Any mix of matrices, some of them copied, on few cores of two chips, with cascades over
    shared links, and digital steps."""
    numbers = st.sampled_from(["0", "0.3", "2.5", "7"])
    chip = load_chip(
        draw(st.sampled_from(["hermes", "hermes", "hermes-dpu"])),
        [
            (key, draw(numbers))
            for key in (
                "host_link_time.byte_ns", "ldpu_time.output_interval_ns", "link_time.byte_ns",
                "host_time.op_ns",
            )
        ]
        + [("mvm_time.one_phase_ns", draw(st.sampled_from(["0", "13", "133"]))),
           ("stage_time.stage_ns", draw(st.sampled_from(["0", "55"])))],
    )  # fmt: skip
    matrices, routes = [], []
    for i in range(draw(st.integers(1, 3))):
        stages = draw(st.integers(1, 3))
        cores = st.lists(st.sampled_from([0, 1, 2, 3, 4, 64, 65]), min_size=stages, max_size=stages)
        copies = draw(st.integers(1, 3))
        many = copies * draw(st.integers(1, 2))
        cascades = draw(st.lists(cores, min_size=many, max_size=many))
        heights = draw(st.lists(st.integers(1, 40), min_size=stages, max_size=stages))
        modes: st.SearchStrategy[Mode] = st.sampled_from(["1-phase", "4-phase"])
        width, mode = draw(st.integers(1, 40)), draw(modes)
        matrices.append(matrix(f"m{i}", cascades, heights, width, copies, mode))
        cores_of = {(t.copy, t.columns, t.stage): t.core for t in matrices[-1].tiles}
        for tile in matrices[-1].tiles:
            if tile.stage:
                here, there = cores_of[tile.copy, tile.columns, tile.stage - 1], tile.core
                between = draw(st.lists(st.integers(0, 3), max_size=2, unique=True))
                between = [c for c in between if c not in (here, there)]  # no route visits twice
                path = [c for c, _ in groupby((here, *between, there))]
                routes.append(Route(f"m{i}", tile.copy, tile.columns, tile.stage, tuple(path)))
    work: list[MvmWork | HostWork] = []
    made: dict[str, int] = {}
    for i in range(draw(st.integers(1, 6))):
        tokens = draw(st.sampled_from([1, 2, 3, 7, 20]))
        same = [n for n, size in made.items() if size == tokens]
        each = tuple(n for n in same if draw(st.booleans()))
        whole = tuple(n for n in made if n not in each and draw(st.integers(0, 3)) == 0)
        needs = Needs(tokens, each, whole)
        if draw(st.booleans()):
            of = draw(st.sampled_from(matrices)).name
            work.append(mvm(f"s{i}", of, tokens * draw(st.integers(1, 3)), needs))
        else:
            work.append(host(f"s{i}", draw(st.integers(0, 3)) * tokens, needs))
        made[f"s{i}"] = tokens
    return (
        chip,
        workload(chip, work, matrices, routes),
        draw(st.sampled_from(["1-phase", "4-phase", None])),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_every_token_of_every_step_is_there_when_the_reference_says(
    program: tuple[ChipSpec, Workload, Mode | None],
) -> None:
    chip, work, mode = program
    wanted = Reference(chip, work, mode).run()
    paths = []
    for as_lists in (False, True):  # wherever a stream is not a single straight run
        with (
            patch.object(runs, "MOST", 1 if as_lists else runs.MOST),
            patch.object(runs, "LISTED", 0 if as_lists else runs.LISTED),
            patch.object(rules, "LONGEST", 1 if as_lists else rules.LONGEST),
        ):
            timeline = Timeline(chip, work, mode)
            for step in work.work:
                ran = timeline.run(step)
                assert ran.done.known().tolist() == wanted[step.step.name]
                paths.append(critical_path(ran.done, ran.done.count - 1))
                assert sum(paths[-1].values()) == ran.done.last
                assert all(ps > 0 for ps in paths[-1].values())
    assert paths[: len(work.work)] == paths[len(work.work) :]


def quick_chip(**times: str) -> ChipSpec:
    """Times that add up by hand: byte 1 ns, MVM 100 ns, output 2 ns, stage 50 ns, hop 10 ns."""
    numbers = {
        "host_link_time.byte_ns": "1", "mvm_time.one_phase_ns": "100",
        "ldpu_time.output_interval_ns": "2", "stage_time.stage_ns": "50", "hop_time.hop_ns": "10",
        "link_time.byte_ns": "1", "host_time.op_ns": "1",
    }  # fmt: skip
    return load_chip("hermes", list((numbers | times).items()))


def ends(
    chip: ChipSpec, work: list[MvmWork | HostWork], matrices: list[Matrix], routes: list[Route]
) -> list[list[int]]:
    """When each token of each step is there, in ns."""
    timeline = Timeline(chip, workload(chip, work, matrices, routes), "1-phase")
    times = [timeline.run(w).done.known() for w in work]
    return [[t // 1000 for t in found.tolist()] for found in times]


def test_a_core_loads_computes_and_sends_beside_each_other() -> None:
    """4 rows, 30 columns: 4 ns in, 100 ns array, then the LDPU 60 ns of which outputs leave after
    50 ns of pipeline; the next vector's MVM follows at once."""
    layer = matrix("m", [[0]], [4], 30)
    found = ends(quick_chip(), [mvm("a", "m", 3, Needs(3))], [layer], [])
    assert found == [[4 + 100 + 60 + 50, 4 + 200 + 60 + 50, 4 + 300 + 60 + 50]]


def test_a_slow_ldpu_sets_the_pace() -> None:
    layer = matrix("m", [[0]], [4], 80)
    found = ends(quick_chip(), [mvm("a", "m", 3, Needs(3))], [layer], [])
    assert found == [[104 + 160 + 50, 104 + 320 + 50, 104 + 480 + 50]]


def test_a_cascade_adds_a_stage_and_a_hop_for_each_core_passed() -> None:
    """The second LDPU begins 50 ns after the first, 10 ns more through a core in between."""
    layer = matrix("m", [[0, 2]], [4, 4], 30)
    near = ends(
        quick_chip(), [mvm("a", "m", 1, Needs())], [layer], [Route("m", 0, (0, 30), 1, (0, 2))]
    )
    far = [Route("m", 0, (0, 30), 1, (0, 1, 2))]
    assert near == [[104 + 50 + 60 + 50]]
    assert ends(quick_chip(), [mvm("a", "m", 1, Needs())], [layer], far) == [[104 + 60 + 60 + 50]]


def test_two_matrices_of_one_core_take_turns() -> None:
    first, second = matrix("m", [[0]], [4], 30), matrix("n", [[0]], [4], 30)
    work = [mvm("a", "m", 2, Needs(2)), mvm("b", "n", 2, Needs(2))]
    found = ends(quick_chip(), work, [first, second], [])
    assert found == [[214, 314], [414, 514]]


def test_the_input_buffer_holds_two_vectors() -> None:
    """Loading takes longer than an MVM of the matrix before it: the second place is free only when
    that matrix's last MVM but one is over, so loading begins at 1 + 2 x 100 ns."""
    short, tall = matrix("m", [[0]], [1], 1), matrix("n", [[0]], [200], 1)
    work = [mvm("a", "m", 3, Needs(3)), mvm("b", "n", 1, Needs())]
    found = ends(quick_chip(), work, [short, tall], [])
    assert found[0] == [1 + 100 * k + 2 + 50 for k in (1, 2, 3)]
    assert found[1] == [1 + 200 + 200 + 100 + 2 + 50]


def test_vectors_are_dealt_to_copies_in_turn_and_taken_in_order() -> None:
    """Two copies serve two vectors at once; the second copy's core is busy for 40 ns more."""
    layer = matrix("m", [[0], [1]], [4], 30, copies=2)
    found = ends(quick_chip(), [mvm("a", "m", 4, Needs(4))], [layer], [])
    assert found == [[214, 214, 314, 314]]
    slow = matrix("n", [[0]], [4], 1)
    work = [mvm("b", "n", 1, Needs()), mvm("a", "m", 4, Needs(4))]
    found = ends(quick_chip(), work, [layer, slow], [])
    assert found[1] == [314, 314, 414, 414]  # the first copy is late, and the second waits for it


def test_a_matrix_is_read_in_its_own_mode_unless_a_run_gives_one() -> None:
    chip = quick_chip()
    layer = matrix("m", [[0]], [4], 30, mode="1-phase")
    work = workload(chip, [mvm("a", "m", 1, Needs())], [layer], [])
    assert cost(chip, work, None).latency_by["array"] == 100_000
    assert cost(chip, work, "4-phase").latency_by["array"] == 520_000
    assert cost(chip, work, None).energy_by["array"] == chip.mvm_nj["1-phase"] * 1000
    assert cost(chip, work, "4-phase").energy_by["array"] == chip.mvm_nj["4-phase"] * 1000


def test_each_chip_in_use_draws_its_own_idle_power() -> None:
    chip = quick_chip()
    one, two = (matrix("m", [[0], [core]], [4], 30) for core in (1, 64))
    costs = [cost(chip, workload(chip, [mvm("a", "m", 1, Needs())], [m], []), None)
             for m in (one, two)]  # fmt: skip
    more = costs[1].energy_by["idle"] - costs[0].energy_by["idle"]
    assert costs[0].latency_ps == costs[1].latency_ps
    assert np.isclose(more, chip.idle_power.chip_mw * costs[0].latency_ps * 1e-3)


def test_a_reduction_waits_for_all_tokens_and_what_is_position_wise_for_its_own() -> None:
    layer = matrix("m", [[0]], [4], 30)
    work = [
        mvm("a", "m", 3, Needs(3)),
        host("each", 3 * 5, Needs(3, each=("a",))),
        host("sum", 7, Needs(1, whole=("each",))),
        host("then", 3 * 2, Needs(3, each=("each",), whole=("sum",))),
    ]
    found = ends(quick_chip(), work, [layer], [])
    assert found == [[214, 314, 414], [219, 319, 419], [426], [428, 430, 432]]


def test_several_vectors_of_a_token_count_as_one() -> None:
    layer = matrix("m", [[0]], [4], 30)
    found = ends(quick_chip(), [mvm("a", "m", 4, Needs(2))], [layer], [])
    assert found == [[314, 514]]


def test_the_critical_path_names_what_it_waits_for() -> None:
    chip = quick_chip()
    layer = matrix("m", [[0, 2]], [4, 4], 30)
    route = [Route("m", 0, (0, 30), 1, (0, 1, 2))]
    work = workload(chip, [mvm("a", "m", 3, Needs(3)), host("sum", 7, Needs(1, whole=("a",)))],
                    [layer], route)  # fmt: skip
    found = cost(chip, work, "1-phase")
    assert found.latency_ps == 481_000
    assert found.latency_by == {
        "array": 300_000, "ldpu": 60_000, "links": 100_000, "hops": 10_000, "host_link": 4_000,
        "host": 7_000,
    }  # fmt: skip


def test_the_same_streams_are_simulated_once() -> None:
    """Sixty-four alike tiles cost one stream, not sixty-four."""
    chip = quick_chip()
    layer = matrix("m", [[c] for c in range(64)], [4], 30)
    timeline = Timeline(chip, workload(chip, [mvm("a", "m", 5, Needs(5))], [layer], []), "1-phase")
    ran = timeline.run(timeline_work := mvm("a", "m", 5, Needs(5)))
    assert timeline_work is ran.work
    assert len({id(track) for lane, track in ran.uses if lane.kind == "array"}) == 1
    assert len([lane for lane, _ in ran.uses if lane.kind == "array"]) == 64
