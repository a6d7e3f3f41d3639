"""Results as tables, and whose they are."""

import pandas as pd
import pytest

from modnav.studies import JobEnd, StudyFolder, open_study

pytest.importorskip("snakemake")


def test_results_of_somebody_else_or_of_before_are_refused(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path), jobs_of()["gather"]
    folder.about_file.write_text('{"name": "small"}')
    folder.write_plan([job])
    pd.DataFrame({"x": [1]}).to_parquet(folder.results)
    with pytest.raises(ValueError, match="has not finished"):
        open_study(tmp_path)
    folder.finish(job, JobEnd())
    for table in (pd.DataFrame({"x": [1]}), pd.DataFrame({"table": ["runs"]})):
        table.to_parquet(folder.results)
        with pytest.raises(ValueError, match=r"results.parquet is not what `modnav study` wrote"):
            open_study(tmp_path)
    folder.results.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"results.parquet is damaged"):
        open_study(tmp_path)
