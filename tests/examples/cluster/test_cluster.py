"""The manifests and the batch script of examples/cluster, without a cluster.

The fields and types below are those that the manifests use of the CustomResourceDefinitions
manifests/base/kubeflow.org_mpijobs.yaml of kubeflow/mpi-operator (caa3c47f), and of
manifests/base/crds/trainer.kubeflow.org_trainjobs.yaml and ..._trainingruntimes.yaml of kubeflow/trainer
(8c0f5059), against which they were validated as a whole when they were written.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parents[3] / "examples" / "cluster"
AMOUNT = (int, str)  # "8", 8, "16Gi"

CONTAINER = {"name": str, "image": str, "command": [str], "args": [str],
             "readinessProbe": {"tcpSocket": {"port": AMOUNT}}, "resources": {"limits": {"*": AMOUNT}},
             "volumeMounts": [{"name": str, "mountPath": str}]}
POD = {"spec": {"containers": [CONTAINER], "restartPolicy": {"Always", "OnFailure", "Never"},
                "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str}}]}}
METADATA = {"name": str, "labels": {"*": str}}
KINDS = {
    ("kubeflow.org/v2beta1", "MPIJob"): {
        "slotsPerWorker": int, "sshAuthMountPath": str,
        "runPolicy": {"cleanPodPolicy": {"Running", "None", "All"}, "backoffLimit": int},
        "mpiReplicaSpecs": {"*": {"replicas": int, "template": POD}}},
    ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"): {
        "mlPolicy": {"numNodes": int, "mpi": {
            "numProcPerNode": int, "mpiImplementation": {"OpenMPI", "Intel", "MPICH"},
            "sshAuthMountPath": str, "runLauncherAsNode": bool}},
        "template": {"spec": {
            "network": {"publishNotReadyAddresses": bool},
            "successPolicy": {"operator": {"All", "Any"}, "targetReplicatedJobs": [str]},
            "replicatedJobs": [{"name": str, "dependsOn": [{"name": str, "status": {"Ready", "Complete"}}],
                                "template": {"metadata": METADATA, "spec": {"template": POD}}}]}}},
    ("trainer.kubeflow.org/v1alpha1", "TrainJob"): {
        "runtimeRef": {"name": str, "kind": str, "apiGroup": str},
        "trainer": {"numNodes": int, "command": [str], "resourcesPerNode": {"limits": {"*": AMOUNT}}}}}


def problems(value, schema, path=""):
    """What is wrong, as texts; a schema is a type, types, a set of values, a list of one, or fields."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{path} is no mapping"]
        unknown = [] if "*" in schema else [f"{path}.{name} is unknown" for name in value.keys() - schema]
        return unknown + [problem for name, part in value.items() if name in schema or "*" in schema
                          for problem in problems(part, schema.get(name, schema.get("*")), f"{path}.{name}")]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [problem for n, part in enumerate(value)
                for problem in problems(part, *schema, f"{path}[{n}]")]
    if isinstance(schema, set):
        return [] if value in schema else [f"{path} is {value!r}, none of {sorted(schema)}"]
    right = isinstance(value, schema) and (schema is bool or not isinstance(value, bool))
    return [] if right else [f"{path} is {value!r}, no {schema}"]


def documents(name):
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((CLUSTER / name).read_text()))


def check(document):
    kind = document["apiVersion"], document["kind"]
    return problems(document, {"apiVersion": str, "kind": str, "metadata": METADATA, "spec": KINDS[kind]})


@pytest.mark.parametrize("name", ["mpijob.yaml", "trainjob.yaml"])
def test_manifests_have_the_fields_of_their_kinds(name):
    for document in documents(name):
        assert check(document) == []


def test_wrong_fields_and_values_are_found():  # or the test above could not fail
    job, = documents("mpijob.yaml")
    job["spec"]["slotsPerWorker"] = "1"
    job["spec"]["runPolicy"]["cleanPodPolicy"] = "Sometimes"
    job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]["mounts"] = []
    found = check(job)
    assert [problem.split(" is ")[0].rsplit(".", 1)[1] for problem in found] == [
        "slotsPerWorker", "cleanPodPolicy", "mounts"]


def test_the_jobs_run_one_process_for_each_slot():
    job, = documents("mpijob.yaml")
    runtime, train_job = documents("trainjob.yaml")
    replicas = job["spec"]["mpiReplicaSpecs"]
    launched = replicas["Launcher"]["template"]["spec"]["containers"][0]["command"]
    slots = replicas["Worker"]["replicas"] * job["spec"]["slotsPerWorker"]
    assert launched[launched.index("-n") + 1] == str(slots)
    policy, launched = runtime["spec"]["mlPolicy"], train_job["spec"]["trainer"]["command"]
    assert launched[launched.index("-n") + 1] == str(policy["numNodes"] * policy["mpi"]["numProcPerNode"])
    assert train_job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]


def test_the_batch_script_starts_the_processes_by_srun(tmp_path):
    script = CLUSTER / "train.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$OMP_NUM_THREADS" "$@"\n')
    srun.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "8",
                   "SLURM_SUBMIT_DIR": "/here", "CNNKIT_IMAGES": "/data/two words"}
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["8", "--mpi=pmix", "cnnkit", "train", "/data/two words", "--epochs",
                                        "90", "--out", "/here/model", "--resume"]
