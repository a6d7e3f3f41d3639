import numpy as np
import pandas as pd
from sessions import close

from modnav.tables import outcomes, reward_rate


def test_reward_rate():
    trials = pd.DataFrame({"rewarded": [True, False, True], "duration_s": [1.0, 2.0, 1.0]})
    assert reward_rate(trials) == 0.5
    assert np.isnan(reward_rate(trials.iloc[:0]))


def test_errors_of_hand_made_trials():
    """Ends at 3 m ahead, beyond the target to the right, and a time-out that still moves on."""
    trials = pd.DataFrame(
        {
            "trial": [5, 6, 7],
            "target_x_cm": [0.0, 100.0, 0.0],
            "target_y_cm": [320.0, 100.0, 100.0],
            "dt_s": 0.1,
            "terminated": [True, True, False],
        }
    )
    steps = pd.DataFrame(
        {
            "trial": [5, 6, 7, 7],
            "x_cm": [0.0, 200.0, 0.0, 0.0],
            "y_cm": [300.0, 200.0, 0.0, 98.0],
            "heading_deg": 90.0,
            "v_cm_s": 50.0,
            "td_error": [0.5, 1.0, -1.0, 2.0],
        }
    )
    found = outcomes(trials, steps)
    close(found["radial_error_cm"], [20, np.hypot(100, 100), 2])
    close(found["signed_radial_error_cm"], [-20, np.hypot(100, 100), 2])
    close(found["angular_error_deg"], [0, 0, 0])
    close(found["end_theta_deg"], [90, 45, 90])
    close(found["duration_s"], [0, 0, 0.1])
    close(found["td_error"], [0.5, 1.0, 0.5])
    close(found["td_error_abs"], [0.5, 1.0, 1.5])
