"""Study files: what is refused in one line."""

import datetime

import pytest

from modnav.commands.study.spec import read_spec, study_file

pytest.importorskip("snakemake")


def searched(parameters, **more):
    """Return what a study file says of a search."""
    return {"search": {"parameters": parameters, **more}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architectures": ["modulr"]}, "modulr, unknown; did you mean modular?"),
        ({"architectures": ["x"]}, "architecture is 'x'; it must be one of Actor1Critic1"),
        ({"architectures": ["modular", "Actor3Critic5"]}, "Actor3Critic5 twice"),
        ({"architectures": [{"name": "own"}]}, "architectures.own has no protocol"),
        ({"architectures": [{"nme": "own"}]}, "did you mean architectures.name?"),
        ({"architectures": []}, "architectures is missing"),
        ({"seeds": [0, 0]}, "seeds is 0,0; seed 0 is there twice"),
        ({"seeds": "3-1"}, "3 is above 1"),
        ({"seed": 1}, "seed is not known in a study file; did you mean seeds?"),
        ({"name": "a/b"}, "name is 'a/b'; it must be of letters"),
        ({"noises": [0.1]}, "noises has 0.1; it must be"),
        ({"noises": [[0.1, -1]]}, "noises is -1; it must be 0 or more"),
        ({"noises": [[0.1, 0], [0.1, 0]]}, r"noises has \[0.1, 0\] twice"),
        ({"gains": [0]}, "gains is 0; it must be above 0"),
        ({"gains": ["a"]}, "gains is 'a'; it must be a number"),
        (
            {
                "architectures": ["modular"],
                "options": {"phases.two.learning_rate": 1e-4},
                **searched({"phases.two.learning_rate": [1e-3, 1e-4]}),
            },
            "phases.two.learning_rate is in options and in search.parameters",
        ),
        ({"options": {"phases.give_up": datetime.date(2020, 1, 1)}}, "must be full keys"),
        (
            {"evaluate": {"extensive": "no"}},
            "evaluate.extensive is 'no'; it must be false or true",
        ),
        ({"evaluate": {"tasks": ["gain", "gain"]}}, "evaluate.tasks has gain twice"),
        ({"report": {"figures": ["99"]}}, "report.figures is '99'; it must be among 1, 2"),
        ({"record": {"units": 0}}, "record.units is 0; it must be false or true"),
        ({"record": {"trials": None}}, "record.trials is None; it must be a whole number"),
        ({"import": ["../x"]}, "import has '../x'; it must be a module's name"),
        ({"trials": 0.5}, "trials is 0.5; it must be a whole number"),
        ({"accelerator": "tpu"}, "accelerator is 'tpu'; it must be cpu or gpu"),
        ({"population": "all"}, "population is 'all'; it must be null or processes or stacked"),
        ({"options": {"folder": "x"}}, "options.folder is a run's own"),
        ({"options": {"data.task.gain": 2}}, "options.data.task.gain is said by gains"),
        ({"options": {"a": [1]}}, "options is .*full keys of modnav fit"),
        ({"evaluate": {"task": []}}, "did you mean evaluate.tasks?"),
        ({"evaluate": {"tasks": ["x"]}}, "evaluate.tasks is 'x'; it must be gain or pert"),
        ({"record": 3}, "record is 3; it must be true, false or settings"),
        ({"compare": 1}, "compare is 1; it must be false or true"),
        ({"search": {}}, "search.parameters is None; it must be full keys"),
        ({"search": {"parmeters": 1}}, "did you mean search.parameters?"),
        (
            searched({"data.task.gain": [1, 2]}),
            "search.parameters.data.task.gain is said by gains",
        ),
        (searched({"a": [1, 1]}), r"search.parameters.a is \[1, 1\]; it must be a list of plain"),
        (searched({"a": [1, True]}), "it must be a list of plain"),
        (searched({"a": [1, "1"]}), "it must be a list of plain"),
        (searched({"a": [1, 2]}, trials=2, workers=3), "workers is 3; the search has 2 trials"),
        (searched({"a": [1, 2]}, pruner=False), "it must be null or median or halving"),
        (searched({"a": {"low": 1}}), "search.parameters.a.high is None; it must be a number"),
        (searched({"a": {"low": 2, "high": 1}}), "a.high is 1; it must be above 2"),
        (searched({"a": {"low": 0, "high": 1, "log": True}}), "a.low is 0; it must be above 0"),
        (searched({"a": {"low": 0, "high": 1}}, sampler="grid"), "a list of values for a grid"),
        (searched({"a": [1, 2]}, sampler="grid", trials=3), "is 3; the grid has 2 points"),
        (searched({"a": [1, 2]}, sampler="best"), "'best'; it must be tpe or random or grid"),
        (searched({"a": [1, 2]}, trials=0), "search.trials is 0; it must be 1 or more"),
        (searched({"a": [1, 2]}), "search is for one architecture"),
        (searched({"a": [1, 2]}) | {"report": True}, "report does not go with search"),
    ],
)
def test_what_no_study_can_be_is_refused_in_one_line(spec_of, keys, message):
    with pytest.raises(ValueError, match=message) as error:
        spec_of(**keys)
    assert "\n" not in str(error.value)


def test_what_is_no_mapping_of_keys_each_there_once_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("- [name, twice]\n")
    with pytest.raises(ValueError, match=r"not a study file: it is no YAML mapping"):
        read_spec(path)
    path.write_text("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}\n1: 0\n'1': 0\n")
    with pytest.raises(ValueError, match="a is not known in a study file"):  # and not there twice
        read_spec(path)
    path.write_text("name: twice\ntrials: 3\ntrials: 5\n")
    with pytest.raises(ValueError, match=r"not a study file: trials is there twice, line 3"):
        read_spec(path)


def test_an_unknown_study_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"STUDY is tny; it must be a file or one of .*tiny"):
        study_file("tny")
