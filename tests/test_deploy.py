"""The manifests say what the programs understand."""

import json
import pathlib

import yaml
from absl import flags

from bert_tf.pretrain import PretrainOptions
from bert_tf.training.distribution import check_tf_config
from data_pipelines.programs import cli

DEPLOY = pathlib.Path(__file__).parents[1] / "bert_tf" / "serving" / "kit"


def test_kubernetes_job_names_each_of_its_workers():
    text = (DEPLOY / "kubernetes_pretraining.yaml").read_text()
    service, job = yaml.safe_load_all(text)
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {variable["name"]: variable for variable in container["env"]}
    name, domain = job["metadata"]["name"], spec["template"]["spec"]["subdomain"]
    assert domain == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert spec["completions"] == spec["parallelism"]
    # Kubernetes puts the pod's number into INDEX, and INDEX into TF_CONFIG.
    assert "job-completion-index" in str(environment["INDEX"])
    for index in range(spec["completions"]):
        config = environment["TF_CONFIG"]["value"].replace("$(INDEX)", str(index))
        check_tf_config(config)
        workers = json.loads(config)["cluster"]["worker"]
        assert workers == [
            f"{name}-{i}.{domain}:2222" for i in range(spec["completions"])
        ]


def test_kubernetes_job_runs_the_program():
    text = (DEPLOY / "kubernetes_pretraining.yaml").read_text()
    *_, job = yaml.safe_load_all(text)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "bert_tf.pretrain"]
    values = flags.FlagValues()
    cli.define_flags(PretrainOptions, values)
    values(["pretrain", *container["args"]])
    options = cli.options_from_flags(PretrainOptions, values)
    assert options.strategy == "multi_worker"
