import numpy as np
import pandas as pd

from modnav.tables import reward_rate


def test_reward_rate():
    trials = pd.DataFrame({"rewarded": [True, False, True], "duration_s": [1.0, 2.0, 1.0]})
    assert reward_rate(trials) == 0.5
    assert np.isnan(reward_rate(trials.iloc[:0]))
