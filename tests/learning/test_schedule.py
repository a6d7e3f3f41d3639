"""The training phases, decided without a trainer."""

import pytest

from modnav.learning import Block, End, Phase, Restart, Schedule, Setting, Standing

ONE, TWO, THREE = (Standing(phase=k) for k in (1, 2, 3))
EARNED = Standing(2, earned=True)


def block(trials, fraction=0.0):
    return Block(trials, trials, fraction, 0.5, 20.0)


def test_phase_two_begins_with_an_empty_memory_when_a_block_found_rewards():
    schedule = Schedule()
    for trials, fraction in ((100, 0.0), (200, 0.1), (300, 0.2)):
        assert schedule.after(ONE, block(trials, fraction)) == (ONE, [])
    setting = Setting(0.5, observation_noise=True, mirror=True, scripted=False)
    assert schedule.after(ONE, block(400, 0.21)) == (TWO, [Restart(setting, keep_replay=False)])
    kept = Schedule(keep_replay=True).after(ONE, block(100, 1.0))
    assert kept == (TWO, [Restart(setting, keep_replay=True)])


def test_phase_one_is_given_up():
    schedule = Schedule(give_up=300)
    assert schedule.after(ONE, block(200)) == (ONE, [])
    standing, (end,) = schedule.after(ONE, block(300, 0.05))
    assert standing == ONE
    assert isinstance(end, End)
    assert end.failure.startswith("phase I was given up after 300 trials")
    assert "5%" in end.failure
    assert schedule.after(ONE, block(300, 0.3))[0] == TWO  # learned in the last block


def test_phase_three_begins_a_block_after_the_validation_that_earned_it():
    schedule = Schedule()
    assert schedule.after(TWO, block(500, 1.0)) == (TWO, [])
    assert schedule.validated(TWO, [0.8, 0.1]) == TWO
    earned = schedule.validated(TWO, [0.2, 0.81])
    assert earned == EARNED
    assert schedule.validated(earned, [0.0]) == EARNED  # once is enough
    setting = Setting(0.4, observation_noise=True, mirror=True, scripted=False)
    assert schedule.after(earned, block(600)) == (Standing(3, earned=True), [setting])


def test_validations_in_phase_one_earn_nothing():
    assert Schedule().validated(ONE, [1.0]) == ONE


def test_phase_three_waits_for_the_trials_asked_for():
    schedule = Schedule(refine_after=700)
    assert schedule.after(EARNED, block(600)) == (EARNED, [])
    assert schedule.after(EARNED, block(700))[0].phase == 3


def test_training_ends_after_its_trials_also_where_phase_three_begins():
    schedule = Schedule(trials=1000)
    assert schedule.after(THREE, block(900)) == (THREE, [])
    assert schedule.after(THREE, block(1000)) == (THREE, [End()])
    standing, steps = schedule.after(EARNED, block(1000))
    assert standing.phase == 3
    assert [type(step) for step in steps] == [Setting, End]
    assert schedule.after(ONE, block(1000)) == (ONE, [])  # they count after phase I


def test_a_phase_decides_the_setting():
    one = Phase(0.7, 1e-3, observation_noise=False, mirror=False, steps_per_update=8)
    schedule = Schedule(one=one)
    assert schedule.phase(ONE) is one
    assert schedule.setting(ONE) == Setting(0.7, False, False, True, 8)
    assert not schedule.setting(TWO).scripted


@pytest.mark.parametrize("key", ["trials", "give_up", "refine_after"])
def test_numbers_that_are_not_allowed(key):
    with pytest.raises(ValueError, match=rf"phases.{key} is -1; it must be . or more"):
        Schedule(**{key: -1})
