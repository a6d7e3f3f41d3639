"""What the marks of each panel mean: lines, bands, bars and dots, and what they are taken over.

How many agents and trials there are stands behind it, see :class:`.study.Subjects`.
"""

__all__ = ["CAPTIONS"]

_CURVE = "Line, band: mean, SEM over seeds (no band: one seed); checkpoints on fixed trials."
_TRANSFER = (
    "Line, band: mean, SEM over seeds; thin lines: seeds; mean of the tasks that were not trained."
)
_VIOLIN = "Violins: trials of all seeds but fliers (Tukey's fences); lines: mean and extremes."
_ADDED = "Added process noise across, observation noise down, in units of the gain G"
_DROP = f"{_ADDED}. Mean over seeds of the AUC less that without added noise; each map has its own scale."
_AREA = f"{_ADDED}. Mean over seeds; colours of S2g and S2h have scales of their own."
_EKF = (
    "Correlation over the 25 cells of test noise. Line, band: mean, 95 % interval (BCa bootstrap over "
    "cells) of means over seeds; gray: cells shuffled."
)
_NOISES = (
    "Noise of the training, in units of the gain G: process noise across, observation noise down; "
    "mean over seeds; scales of colour differ between maps."
)
_GAIN_ONE = "At gain 1 where no gain is named."
_CROSS = (
    "Circles, bars: mean, SEM over seeds; small dots: seeds; test trials of the decoder (30 %)."
)
_CLOUD = (
    "A dot a test trial of the decoder (30 %), seeds pooled; ellipse: covariance, one SD; slope through "
    "the origin."
)
_POINTS = "Line, box: mean, SEM over seeds; red dots: seeds."
_FRAMES = "A: actor. Frames: holistic (A1, critic 1), modular (A3, critic 5), and the two made of their parts."
_MAPS = f"Mean over seeds. {_FRAMES}"
_SIZES = "Magnitude: peaks in cm/s and °/s, added in quadrature"
_ANSWER = (
    "Change of the velocity that actions ask for, from the same trial without perturbation. Line, band: mean, SD "
    "over seeds; thin lines: seeds; dotted: the perturbation ends."
)
_SPACE = (
    "Activity over position, smoothed over 50 cm; the units that vary most over space at gain 1; dotted: where "
    "targets are."
)
_PATHS = (
    "Best agents. Star: start; dot and disc: target and reward zone, 65 cm in radius; end dots: stops; dashed: the "
    "actions of {} replayed."
)

CAPTIONS = {
    "1f": _CURVE,
    "1g": "Best agents. Star: start; disc: reward zone, 65 cm in radius; dots: stops.",
    "1h": "Best agent; a line a trial; star: start.",
    "S1c": "Best agent; a line a trial; star: start.",
    "1i": "Best agents; a dot a trial; dashed: stop at the target.",
    "1j": "Line, band: mean, SEM over seeds; dashed: targets of other trials; dotted: size of the zone.",
    "1k": "Line, band, box: mean, SEM over seeds; red dots: seeds.",
    "S1d": "Best agents, all trials.",
    "S1e": "Best agents, all trials; through the origin.",
    "1l": "Pearson's r on 30 % of the trials, fitted on the others; best agents.",
    "S1f": "Pearson's r on 30 % of the trials, fitted on the others; best agents.",
    "2a": "A sketch: a Kalman filter of two steps; dotted: means.",
    **dict.fromkeys(("2b", "2c", "S2b", "S2c", "S2e"), _DROP),
    **dict.fromkeys(("S2g", "S2h"), _AREA),
    **dict.fromkeys(("2d", "2e", "S2d", "S2f"), _EKF),
    "S2i": f"{_POINTS} p: Mann-Whitney, two-sided.",
    "3a": f"{_VIOLIN} Absolute difference from monkey B in the same trial.",
    "3b": f"{_VIOLIN} Absolute difference from monkey B in the same trial.",
    **dict.fromkeys(("S3a", "S3b", "S3d", "S3e"), _VIOLIN),
    **dict.fromkeys(("3c", "S3f"), _CURVE),
    **dict.fromkeys(("3d", "S3g"), f"{_CURVE} From where 0.6 of the trials are rewarded."),
    "4a": "Velocities at full deflection of the joystick.",
    "4b": f"{_PATHS.format('gain 1')} Dotted: the arc through the target.",
    "4c": "Line, bars: mean, SD over trials of all seeds; small dots: seeds; above 0: beyond the target; dotted: reward zone.",
    "4d": "Line, bars: mean, SD over trials; above 0: beyond the target; dashed: the actions of gain 1 replayed; dotted: reward zone.",
    "4e": "Line, band: mean, SEM over seeds; dashed: the actions of gain 1 replayed; dotted: chance.",
    "4f": "Line, band: mean, SEM over seeds; dots: seeds.",
    "4g": f"{_TRANSFER} Marks on the axis: 0.9 of the trials at gain 1 are rewarded.",
    "4h": f"{_TRANSFER} From where 0.6 of the trials at gain 1 are rewarded.",
    "S4a": f"{_VIOLIN} Hollow: the actions of gain 1 replayed; dotted: reward zone.",
    "S4b": _VIOLIN,
    "S4c": _VIOLIN,
    "5a": _SPACE,
    "5b": _SPACE,
    "5c": "A test trial of the decoder, best agents. Red: target; star: start.",
    "5d": "Line, band: mean, SEM over seeds; dots: seeds; test trials of the decoder (30 %).",
    "5e": _CROSS,
    "S5a": f"{_VIOLIN} All steps of the test trials.",
    "S5b": _CLOUD,
    "6a": "What was added to the velocity; red: its time.",
    "6b": f"{_PATHS.format('the trial without perturbation')} The perturbation is that of 6a.",
    "6c": f"Line, band: rolling mean, SD over 100 trials a subject; gray: replay without perturbation. {_SIZES}.",
    "6d": f"Line, band: rolling mean, SD over 100 trials a seed, seeds pooled; dotted: reward zone. {_SIZES}.",
    "6e": f"{_POINTS} {_SIZES}; above 115.",
    "S6a": _ANSWER,
    "S6b": f"{_ANSWER} Congruent: towards the target's side.",
    "S6c": _TRANSFER,
    "S6d": f"{_TRANSFER} From where 0.6 of the trials without perturbation are rewarded.",
    "6f": "A test trial of the decoder, best agents. Red: target; star: start.",
    "6g": "Ellipses: covariance of the test trials of all seeds, one SD; diamonds: slope through the origin.",
    "6h": _CROSS,
    "S6e": _CLOUD,
    "S6f": _CLOUD,
    "S6g": _CLOUD,
    **dict.fromkeys(
        ("7a", "S7a"),
        f"{_NOISES} r with the EKF agents of 2b over 25 test noises; the EKF agent favors observation, its alternative prediction.",
    ),
    **dict.fromkeys(("7b", "S7b", "S7c"), f"{_NOISES} AUC in tasks that were not trained."),
    "7cd": "Line, band: mean, 95 % interval (BCa bootstrap over training noises) of the correlation; n: training noises.",
    **dict.fromkeys(("S8a", "S8b"), _POINTS),
    **dict.fromkeys(("8c", "8d", "S9b", "S9d"), _MAPS),
    "S9c": _FRAMES,
    **dict.fromkeys(("8e", "8f"), f"{_CROSS} r: of the means of architectures."),
    "S9a": "C1 to C5: one critic each; A1 to A3: actors.",
    "seeds-iqm": f"{_GAIN_ONE} Line, band: interquartile mean, 95 % bootstrap interval over seeds (none below 5); red dots: seeds.",
    "seeds-improvement": f"{_GAIN_ONE} Dots, bars: probability, 95 % interval over seeds (Wilson; none below 5); dotted: no difference.",
    "units-likeness": (
        "Above the diagonal: similarity of best agents at the same moments; below: 95th percentile of 20 shuffles "
        "of trials. Alike does not mean that both compute alike: linear CKA (debiased) follows the few "
        "directions of largest variance; all are high for what shares the course of a trial."
    ),
    "units-decoding": (
        "Dots: seeds, mean over 5 folds of trials; ridge; dotted: 95th percentile with trials shuffled, mean of seeds."
    ),
    "units-transfer": (
        "R² of the position (mean of x and y, and over seeds), colours from -1 to 1; perturbed: at gain 1; decoders saw the targets that they are tested with in no condition."
    ),
    "units-dimensions": (
        "Line, band: mean, SEM over seeds; dots: seeds. 1: a line, d: a ball in d dimensions; all steps."
    ),
    "units-dynamics": (
        "Dynamical similarity: linear maps of one step, in the 10 leading directions of the units; mean squared distance of their "
        "paired eigenvalues, mean over pairs of agents (diagonal: pairs of seeds); first column: between halves of one agent's trials. "
        "All maps are of half the trials. What agents observe drives their units too, so that other inputs look like other dynamics."
    ),
    "units-plane": (
        "A line a trial, paler at higher gains. Diamonds: points where the belief hardly moves without input, found "
        "from step 8 of trials; filled: all eigenvalues within the unit circle. There may be others."
    ),
    "effects-size": f"{_GAIN_ONE} Dots, bars: Hedges' g, 95 % interval over seeds (none below 5); not corrected for their number.",
    "effects-mixed": (
        "Fixed effects, 95 % interval (Wald, t) of radial error by agent and gain beyond 1; random intercept and slope of each seed."
        " Not corrected for their number."
    ),
}
"""Captions by panel."""
