"""Terraform: real Terraform checks and plans the modules, against the schema of the AWS provider."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deploy_subjects import IMAGE, RELEASE, ROOT, Golden

from shipway.deploy import CannotExpress, Files, NamesCollide, NothingToRender, Subject, render_target
from shipway.operate._gateway import DRAIN_SECONDS
from shipway.spec import AwsSpec, TargetsSpec

pytest_plugins = ["deploy_fixtures"]

HOME = Path(__file__).parent / "terraform"
MODULES = ROOT / "src" / "shipway" / "deploy" / "terraform"
TOOLS = Path(sys.prefix) / "terraform" / "bin"  # made by make test: their protobuf is not ours
OBJECTS = 'targets: {objects: "s3://example-ml/shipway"}\n'
CHECK = ("fmt -check -recursive -diff", "init -backend=false", "validate -no-color")
PLAN = (*CHECK, "plan -no-color -input=false -out=plan", "show -json plan")
OWN = {
    "vpc": "vpc-1",
    "private_subnets": ["subnet-a", "subnet-b"],
    "clients": ["10.0.0.0/16"],
    "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/x",
    "domain": "ml.example.com",
    "alarm_mail": ["oncall@example.com"],
    "github_repository": "acme/flights",
    "gate": {
        "function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:gate",
        "role_arn": "arn:aws:iam::123456789012:role/g",
    },
}
# what AWS has no narrower resource for than "*"
UNBOUNDED = {"batch:DescribeJobs", "ecr:GetAuthorizationToken", "elasticloadbalancing:Describe", "logs:", "xray:"}


def terraform(folder: Path, *commands: str) -> list[dict[str, Any]]:
    """What each command said: `command`, `code`, `out`; ends after the first that fails."""
    assert TOOLS.is_dir(), "make .venv/terraform/.made"
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    words = [str(TOOLS / "python"), str(HOME / "terraform_here.py"), str(folder), *commands]
    done = subprocess.run(words, capture_output=True, text=True, env=environ, check=True, timeout=120)
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def write(files: Files, folder: Path) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def planned(subject: Subject, home: Path, **own: object) -> list[dict[str, Any]]:
    """Every resource of the plan with its values, of a subject rendered as a team would have it."""
    if subject.workload:
        write(render_target("stepfunctions", subject), home / "stepfunctions")
    folder = write(render_target("terraform", subject), home / "terraform")
    (folder / "terraform.tfvars.json").write_text(json.dumps({**OWN, **own}))
    results = terraform(folder, *PLAN)
    assert [result["code"] for result in results] == [0] * len(PLAN), results[-1]["out"]
    plan = json.loads(results[-1]["out"])
    return list(_resources(plan["planned_values"]["root_module"]))


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (item for item in module.get("resources", []) if item["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)


def of_type(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item["values"] for item in resources if item["type"] == kind]


def on_s3(subject: Subject) -> Subject:
    objects = "s3://example-ml/shipway"
    aws = AwsSpec(budgets="per_task")  # of the assistant, whose owner says so
    return replace(
        subject, targets=TargetsSpec(objects=objects, aws=aws), environ={**subject.environ, "SHIPWAY_OBJECTS": objects}
    )


@pytest.fixture(scope="module")
def flights_plan(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    from deploy_subjects import project_subject

    return planned(on_s3(project_subject(ROOT / "examples" / "flights")), tmp_path_factory.mktemp("flights"))


ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assistant@sha256:" + "1f" * 32


def with_documents(assistant: Subject) -> Subject:
    """The assistant with documents in two buckets, from an image that functions can have."""
    return replace(
        on_s3(assistant), image=ECR, sources=("s3://acme-docs/handbook", "s3://acme-docs/wiki/team", "s3://acme-faq")
    )


@pytest.fixture(scope="module")
def assistant_plan(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    from deploy_subjects import project_subject

    subject = with_documents(project_subject(ROOT / "examples" / "assistant"))
    (service,) = subject.services
    both = replace(subject, services=(service, replace(service, environment="staging")))
    return planned(both, tmp_path_factory.mktemp("assistant"), answer_functions=["assistant-prod"], gate_function=True)


def function_of(resources: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [one for one in of_type(resources, "aws_lambda_function") if one["function_name"] == name]
    return found


def test_the_variables_of_both_examples_are_as_a_person_reviewed_them(
    flights: Subject, assistant: Subject, golden: Golden
) -> None:
    for name, subject in (("flights", flights), ("assistant", assistant)):
        files = render_target("terraform", on_s3(subject))
        golden(f"terraform-{name}", {path: text for path, text in files.items() if not path.endswith(".tf")})


def test_the_modules_are_rendered_as_they_were_written(flights: Subject) -> None:
    files = render_target("terraform", on_s3(flights))
    written = {str(path.relative_to(MODULES)): path.read_text() for path in MODULES.rglob("*.tf")}
    assert {path: text for path, text in files.items() if path.endswith(".tf")} == written


def test_terraform_plans_the_flights_project(flights_plan: list[dict[str, Any]]) -> None:
    kinds = {item["type"] for item in flights_plan}
    assert {"aws_ecs_service", "aws_sfn_state_machine", "aws_db_instance", "aws_ecr_repository", "aws_lb"} <= kinds
    (machine,) = of_type(flights_plan, "aws_sfn_state_machine")
    definition = json.loads(machine["definition"])
    assert "${" not in machine["definition"]
    assert definition["States"]["examples"]["Parameters"]["TaskDefinition"].startswith("arn:")


def test_terraform_plans_the_assistant_without_a_pipeline(assistant_plan: list[dict[str, Any]]) -> None:
    kinds = {item["type"] for item in assistant_plan}
    assert "aws_ecs_service" in kinds
    assert "aws_sfn_state_machine" not in kinds
    names = {secret["name"] for secret in of_type(assistant_plan, "aws_secretsmanager_secret")}
    assert names == {"assistant/SHIPWAY_CATALOGUE", "assistant/SHIPWAY_TRUST", "assistant/ASSISTANT_KEY"}


def test_a_function_is_the_one_image_by_digest_with_the_client_of_the_runtime(assistant_plan: list[dict[str, Any]]) -> None:
    import shipway.cli.functions

    image = (ROOT / "src/shipway/deploy/image/Dockerfile").read_text()
    assert "python -m venv /opt/shipway/venv" in image
    for function in of_type(assistant_plan, "aws_lambda_function"):
        assert (function["package_type"], function["image_uri"]) == ("Image", ECR)
        (config,) = function["image_config"]
        assert config["entry_point"] == ["/opt/shipway/venv/bin/python", "-m", "awslambdaric"]
        module, _, name = config["command"][0].rpartition(".")
        assert module == shipway.cli.functions.__name__
        assert callable(getattr(shipway.cli.functions, name))
        assert f"WORKDIR {config['working_directory']}\n" in image


def test_a_function_writes_below_tmp_alone_and_reads_its_secrets_by_itself(assistant_plan: list[dict[str, Any]]) -> None:
    from shipway.kernel.units import parse_bytes

    function = function_of(assistant_plan, "assistant-documents")
    variables = function["environment"][0]["variables"]
    assert variables["SHIPWAY_OBJECTS"] == "s3://example-ml/shipway"
    assert variables["SHIPWAY_CACHE"].startswith("/tmp/")
    assert parse_bytes(variables["SHIPWAY_CACHE_SIZE"]) == function["ephemeral_storage"][0]["size"] * 2**20 / 2
    secrets = json.loads(variables["SHIPWAY_SECRETS"])
    assert set(secrets) == {"SHIPWAY_CATALOGUE", "SHIPWAY_TRUST", "ASSISTANT_KEY"}
    assert all(value.startswith("arn:") for value in secrets.values())


def test_what_changes_in_a_bucket_comes_through_a_queue_and_what_fails_comes_again(
    assistant_plan: list[dict[str, Any]],
) -> None:
    said = {item["bucket"]: item["queue"] for item in of_type(assistant_plan, "aws_s3_bucket_notification")}
    assert {bucket: {one["filter_prefix"] for one in queues} for bucket, queues in said.items()} == {
        "acme-docs": {"handbook/", "wiki/team/"},
        "acme-faq": {""},
    }
    assert {event.rpartition(":")[0] for queues in said.values() for one in queues for event in one["events"]} >= {
        "s3:ObjectCreated",
        "s3:ObjectRemoved",
    }
    (source,) = of_type(assistant_plan, "aws_lambda_event_source_mapping")
    assert source["function_response_types"] == ["ReportBatchItemFailures"]
    assert source["scaling_config"][0]["maximum_concurrency"] >= 2
    function = function_of(assistant_plan, "assistant-documents")
    assert function["reserved_concurrent_executions"] >= source["scaling_config"][0]["maximum_concurrency"]
    queue, dead = sorted(of_type(assistant_plan, "aws_sqs_queue"), key=lambda found: len(found["name"]))
    assert queue["visibility_timeout_seconds"] > function["timeout"]
    assert json.loads(queue["redrive_policy"])["maxReceiveCount"] == 5
    heard = {alarm["dimensions"].get("QueueName") for alarm in of_type(assistant_plan, "aws_cloudwatch_metric_alarm")}
    assert {queue["name"], dead["name"]} <= heard


def test_an_application_may_answer_from_a_function_at_its_host_name(assistant_plan: list[dict[str, Any]]) -> None:
    (service,) = of_type(assistant_plan, "aws_ecs_service")
    assert service["name"] == "assistant-staging", "the other one has no container"
    variables = function_of(assistant_plan, "assistant-prod")["environment"][0]["variables"]
    assert (variables["SHIPWAY_DEPLOYMENT"], variables["SHIPWAY_RELEASE"]) == ("assistant@prod", RELEASE)
    rules = {rule["condition"][0]["host_header"][0]["values"][0] for rule in of_type(assistant_plan, "aws_lb_listener_rule")}
    assert rules == {"assistant-prod.ml.example.com", "assistant-staging.ml.example.com"}
    (allowed,) = of_type(assistant_plan, "aws_lambda_permission")
    assert (allowed["principal"], allowed["function_name"]) == ("elasticloadbalancing.amazonaws.com", "assistant-prod")
    groups = [group["name"] for group in of_type(assistant_plan, "aws_lb_target_group") if group["target_type"] == "lambda"]
    assert groups == ["assistant-prod-calls"]


def test_ecs_asks_the_gate_and_may_call_nothing_else(assistant_plan: list[dict[str, Any]]) -> None:
    (service,) = of_type(assistant_plan, "aws_ecs_service")
    (hook,) = service["deployment_configuration"][0]["lifecycle_hook"]
    gate = function_of(assistant_plan, "assistant-gate")
    assert gate["image_config"][0]["command"] == ["shipway.cli.functions.gate"]
    assert hook["hook_target_arn"] == gate["arn"]
    assert set(json.loads(gate["environment"][0]["variables"]["SHIPWAY_SECRETS"])) == {"SHIPWAY_CATALOGUE", "SHIPWAY_TRUST"}
    (allowed,) = [one for address, one in statements(assistant_plan) if "aws_iam_role_policy.asks" in address]
    assert allowed["Action"] == ["lambda:InvokeFunction"]
    assert allowed["Resource"] == [gate["arn"], f"{gate['arn']}:*"]


def test_documents_are_read_and_nothing_else_of_their_buckets(assistant_plan: list[dict[str, Any]]) -> None:
    found = [one for address, one in statements(assistant_plan) if "module.documents[0].aws_iam_role_policy.this" in address]
    objects = next(one["Resource"] for one in found if listed(one["Action"]) == ["s3:GetObject"])
    assert set(objects) == {
        "arn:aws:s3:::acme-docs/handbook/*",
        "arn:aws:s3:::acme-docs/wiki/team/*",
        "arn:aws:s3:::acme-faq/*",
    }
    assert not [one for one in found for action in listed(one["Action"]) if action.startswith("s3:Put")]


def test_without_documents_in_a_bucket_there_is_no_function(flights_plan: list[dict[str, Any]], assistant: Subject) -> None:
    assert not of_type(flights_plan, "aws_lambda_function")
    within = replace(with_documents(assistant), sources=("s3://acme-docs", "s3://acme-docs/handbook"))
    variables = json.loads(render_target("terraform", within)["shipway.auto.tfvars.json"])
    assert variables["documents"] == {"acme-docs": [""]}, "S3 takes an object to one notification"


def test_documents_among_the_objects_of_the_store_are_refused(assistant: Subject) -> None:
    """Each sync writes objects, and each of them would be an event."""
    for source in ("s3://example-ml", "s3://example-ml/shipway"):
        with pytest.raises(CannotExpress, match="objects are among the documents"):
            render_target("terraform", replace(with_documents(assistant), sources=(source,)))


GPU = """
steps: {fit: {gpu: 1, timeout: 2h, retries: 1}, small: {memory: 3Gi}}
schedule: {every: 6h}
"""
STEPS = "def small() -> int: ...\ndef fit(small: int) -> int: ...\n"


def test_a_step_with_a_gpu_is_a_job_of_batch(make_project: Callable[[str, str], Subject], tmp_path: Path) -> None:
    subject = make_project(OBJECTS + GPU, STEPS)
    resources = planned(subject, tmp_path)
    (job,) = of_type(resources, "aws_batch_job_definition")
    container = json.loads(job["container_properties"])
    assert container["command"] == ["step", "run", "fit", "--plan", "Ref::plan"]
    assert {"type": "GPU", "value": "1"} in container["resourceRequirements"]
    assert job["timeout"] == [{"attempt_duration_seconds": 7200 + 600}]
    assert {machine["name"] for machine in of_type(resources, "aws_sfn_state_machine")} == {"sample", "sample-scheduled"}
    policies = [policy["name"] for policy in of_type(resources, "aws_iam_role_policy")]
    assert "run-jobs" in policies, "the machine may submit, follow and stop it"


def test_a_task_is_one_release_by_digest_and_stays_for_a_rollback(flights_plan: list[dict[str, Any]]) -> None:
    (task,) = [item for item in of_type(flights_plan, "aws_ecs_task_definition") if item["family"] == "delay-prod"]
    (container,) = json.loads(task["container_definitions"])
    assert container["image"] == IMAGE
    assert container["command"] == ["serve", "delay@prod", "--release", RELEASE, "--host", "0.0.0.0", "--port", "8080"]
    assert task["skip_destroy"] is True
    assert (container["user"], container["readonlyRootFilesystem"]) == ("10001:10001", True)
    assert {secret["name"] for secret in container["secrets"]} == {"SHIPWAY_CATALOGUE", "SHIPWAY_TRUST"}
    assert all(secret["valueFrom"].startswith("arn:") for secret in container["secrets"])


def test_a_container_writes_where_the_image_says_that_it_may_and_knows_its_region(flights_plan: list[dict[str, Any]]) -> None:
    """ECS gives a volume to root, but for those that the image declares: their owner and mode it keeps."""
    image = (ROOT / "src/shipway/deploy/image/Dockerfile").read_text()
    (declared,) = re.findall(r"^VOLUME (.*)$", image, flags=re.MULTILINE)
    for task in of_type(flights_plan, "aws_ecs_task_definition"):
        (container,) = json.loads(task["container_definitions"])
        mounts = {mount["sourceVolume"]: mount["containerPath"] for mount in container["mountPoints"]}
        assert sorted(mounts.values()) == json.loads(declared)
        assert {volume["name"] for volume in task["volume"]} == mounts.keys()
        assert {"name": "AWS_REGION", "value": "eu-west-1"} in container["environment"]
        assert container["stopTimeout"] > DRAIN_SECONDS


def test_terraform_waits_as_long_as_a_rollout_takes(flights_plan: list[dict[str, Any]]) -> None:
    (service,) = of_type(flights_plan, "aws_ecs_service")
    assert service["wait_for_steady_state"] is True
    assert service["timeouts"] == {"create": "2h", "update": "2h", "delete": None}
    assert service["health_check_grace_period_seconds"] == 600


def test_a_question_for_an_object_that_is_missing_is_no_forbidden_one(flights_plan: list[dict[str, Any]]) -> None:
    """S3 asks s3:ListBucket of whoever looks for a missing object, and that request has no s3:prefix to compare."""
    found = [one for _, one in statements(flights_plan) if "s3:ListBucket" in listed(one["Action"])]
    assert found
    for statement in found:
        assert statement["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["shipway/*"]}}


def test_a_step_of_seconds_has_the_time_that_aws_asks_of_a_job(make_project: Callable[[str, str], Subject]) -> None:
    subject = make_project(OBJECTS + "steps: {fit: {gpu: 1, timeout: 20s}}\n", STEPS)
    (step,) = json.loads(render_target("terraform", subject)["shipway.auto.tfvars.json"])["gpu_steps"].values()
    assert step["timeout"] == 620, "AWS takes no less than 60; the step ends itself after 20"


def test_budgets_that_begin_anew_with_each_task_are_refused_unless_their_owner_says_so(assistant: Subject) -> None:
    (service,) = assistant.services
    assert service.budgeted
    plain = replace(on_s3(assistant), targets=TargetsSpec(objects="s3://example-ml/shipway"))
    with pytest.raises(CannotExpress, match="cannot keep the budgets of assistant@prod") as refused:
        render_target("terraform", plain)
    assert "budgets: per_task" in (refused.value.mend or "")
    render_target("terraform", replace(plain, services=(replace(service, budgeted=False),)))


def test_tasks_know_whose_statements_count_and_only_steps_have_the_key_that_signs(
    flights_plan: list[dict[str, Any]], assistant_plan: list[dict[str, Any]]
) -> None:
    names: dict[str, set[str]] = {}
    for task in of_type(flights_plan, "aws_ecs_task_definition"):
        (container,) = json.loads(task["container_definitions"])
        names[task["family"]] = {secret["name"] for secret in container["secrets"]}
    assert names["flights-step"] == {"SHIPWAY_CATALOGUE", "SHIPWAY_TRUST", "SHIPWAY_SIGNING_KEY"}
    assert names["delay-prod"] == {"SHIPWAY_CATALOGUE", "SHIPWAY_TRUST"}
    places = {secret["name"] for secret in of_type(flights_plan, "aws_secretsmanager_secret")}
    assert {"flights/SHIPWAY_TRUST", "flights/SHIPWAY_SIGNING_KEY"} <= places
    assert "SHIPWAY_SIGNING_KEY" not in json.dumps(of_type(assistant_plan, "aws_lambda_function"))


def test_the_workflow_may_do_what_following_a_machine_asks_and_nothing_else(flights_plan: list[dict[str, Any]]) -> None:
    """What `run --on stepfunctions` asks of AWS is read from the engine; the resources are known to AWS alone."""
    assert "run-the-machines" in {item["name"] for item in of_type(flights_plan, "aws_iam_role_policy")}
    granted = set(re.findall(r'"states:(\w+)"', (MODULES / "modules/github/main.tf").read_text()))
    engine = (ROOT / "src/shipway/pipeline/_states_engine.py").read_text()
    asked = {word.title().replace("_", "") for word in re.findall(r'\bask(?:,|\()\s*"([a-z_]+)"', engine)}
    assert granted == asked
    assert len(asked) == 5


def test_a_gateway_is_one_task_for_its_budgets_are_one_file(assistant: Subject) -> None:
    many = replace(assistant, services=tuple(replace(one, workers=3) for one in assistant.services))
    (service,) = json.loads(render_target("terraform", on_s3(many))["shipway.auto.tfvars.json"])["services"].values()
    assert service["workers"] == 1


def test_a_new_release_gets_a_part_of_the_traffic_and_alarms_take_it_back(flights_plan: list[dict[str, Any]]) -> None:
    (service,) = of_type(flights_plan, "aws_ecs_service")
    (rollout,) = service["deployment_configuration"]
    assert rollout["strategy"] == "CANARY"
    assert rollout["canary_configuration"] == [{"canary_percent": 5, "canary_bake_time_in_minutes": "15"}]
    (hook,) = rollout["lifecycle_hook"]
    assert json.loads(hook["hook_details"]) == {"deployment": "delay@prod", "release": RELEASE}
    (alarms,) = service["alarms"]
    known = {alarm["alarm_name"] for alarm in of_type(flights_plan, "aws_cloudwatch_metric_alarm")}
    assert alarms["rollback"] is True
    assert set(alarms["alarm_names"]) <= known


def test_the_words_of_a_rollout_are_among_those_that_ecs_knows(flights_plan: list[dict[str, Any]]) -> None:
    from botocore.session import get_session

    ecs = get_session().get_service_model("ecs")
    (service,) = of_type(flights_plan, "aws_ecs_service")
    (rollout,) = service["deployment_configuration"]
    assert rollout["strategy"] in ecs.shape_for("DeploymentStrategy").enum
    assert set(rollout["lifecycle_hook"][0]["lifecycle_stages"]) <= set(ecs.shape_for("DeploymentLifecycleHookStage").enum)


def statements(resources: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in resources:
        for key in ("policy", "assume_role_policy"):
            text = item["values"].get(key)
            if text and item["type"] != "aws_kms_key":  # there "*" is the key itself
                yield from ((item["address"], statement) for statement in json.loads(text)["Statement"])


def listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def test_roles_may_do_what_they_need_and_to_what_they_need_it(
    flights_plan: list[dict[str, Any]], assistant_plan: list[dict[str, Any]]
) -> None:
    seen = 0
    for address, statement in (*statements(flights_plan), *statements(assistant_plan)):
        if statement["Effect"] != "Allow":
            continue
        seen += 1
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action], address
        if "*" in listed(statement.get("Resource", [])):
            loose = [action for action in actions if not action.startswith(tuple(UNBOUNDED))]
            assert not loose, f"{address}: {loose} of everything"
        assert "*" not in listed(statement.get("Principal", "")), address
    assert seen > 15


def test_no_value_of_a_secret_is_in_the_plan(flights_plan: list[dict[str, Any]]) -> None:
    assert not of_type(flights_plan, "aws_secretsmanager_secret_version")
    (database,) = of_type(flights_plan, "aws_db_instance")
    assert database["manage_master_user_password"] is True
    assert database.get("password") is None


def test_objects_are_versioned_encrypted_private_and_reached_by_tls_only(flights_plan: list[dict[str, Any]]) -> None:
    (versioning,) = of_type(flights_plan, "aws_s3_bucket_versioning")
    assert versioning["versioning_configuration"] == [{"status": "Enabled", "mfa_delete": None}]
    (access,) = of_type(flights_plan, "aws_s3_bucket_public_access_block")
    assert [access[name] for name in access if name.startswith(("block", "ignore", "restrict"))] == [True] * 4
    (policy,) = of_type(flights_plan, "aws_s3_bucket_policy")
    (statement,) = json.loads(policy["policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize(
    ("module", "before", "after", "said"),
    [
        ("registry", "scan_on_push", "scan_on_pull", 'An argument named "scan_on_pull" is not expected here'),
        ("objects", "  bucket = aws_s3_bucket.this.id\n", "", 'The argument "bucket" is required'),
        ("alarms", "topic_arn = aws_sns_topic.this.arn", "topic_arn = aws_sns_topic.that.arn", "has not been declared"),
        ("database", "storage_encrypted     = true", 'storage_encrypted     = "often"', "a bool is required"),
        ("registry", "aws_ecr_repository.this.repository_url", "aws_ecr_repository.this.repo_url", "Unsupported attribute"),
    ],
)
def test_a_mistake_in_a_module_is_refused(tmp_path: Path, module: str, before: str, after: str, said: str) -> None:
    found = 0
    for path in sorted((MODULES / "modules" / module).glob("*.tf")):
        text = path.read_text()
        found += before in text
        (tmp_path / path.name).write_text(text.replace(before, after, 1))
    assert found == 1
    *_, last = terraform(tmp_path, "init -backend=false", "validate -no-color")
    assert last["code"] == 1
    assert said in re.sub(r"\s+", " ", last["out"])


def test_an_image_without_a_digest_of_its_own_is_refused_by_the_plan(flights: Subject, tmp_path: Path) -> None:
    subject = on_s3(replace(flights, image="registry.example.com/x@sha256:" + "0" * 64))
    write(render_target("stepfunctions", subject), tmp_path / "stepfunctions")
    folder = write(render_target("terraform", subject), tmp_path / "terraform")
    (folder / "terraform.tfvars.json").write_text(json.dumps(OWN))
    *_, last = terraform(folder, "init -backend=false", "plan -no-color -input=false")
    assert last["code"] == 1
    assert "shipway render terraform --image" in last["out"]


def test_checkov_finds_nothing_that_is_not_explained_in_place() -> None:
    words = [str(TOOLS / "checkov"), "-d", str(MODULES), "--framework", "terraform", "--skip-download", "-o", "json", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=180)
    report = json.loads(done.stdout)
    assert report["summary"]["failed"] == 0, [item["check_id"] for item in report["results"]["failed_checks"]]
    assert report["summary"]["passed"] > 150
    skips = "\n".join(path.read_text() for path in MODULES.rglob("*.tf") if "checkov:skip" in path.read_text())
    assert not re.findall(r"checkov:skip=\w+(?!\w*:.{20,})", skips)


def test_the_schema_is_of_the_types_that_the_modules_use() -> None:
    sys.path.insert(0, str(HOME))
    from extract_schema import used_types

    assert used_types() == sorted(json.loads((HOME / "aws_schema.json").read_text()))


@pytest.mark.slow
def test_the_schema_is_what_the_wheel_carries() -> None:
    sys.path.insert(0, str(HOME))
    from extract_schema import extract, used_types

    wheels = sorted((Path(sys.prefix) / "wheels").glob("cdktf_cdktf_provider_aws-*.whl"))
    if not wheels:
        pytest.skip("make schema fetches the wheel")
    assert extract(wheels[-1], used_types()) == json.loads((HOME / "aws_schema.json").read_text())


def test_what_aws_cannot_do_is_refused_by_the_name_of_the_step(make_project: Callable[[str, str], Subject]) -> None:
    large = make_project(OBJECTS + "steps: {fit: {cpu: 32}}\n", STEPS)
    with pytest.raises(CannotExpress, match="step fit"):
        render_target("terraform", large)


def test_without_a_place_for_objects_or_anything_to_run_nothing_is_rendered(flights: Subject) -> None:
    with pytest.raises(CannotExpress, match="no place where tasks find the store"):
        render_target("terraform", flights)
    with pytest.raises(NothingToRender):
        render_target("terraform", replace(on_s3(flights), workload=None, services=()))


def test_names_that_aws_takes_for_one_or_finds_too_long_are_refused(flights: Subject) -> None:
    (service,) = flights.services
    twin = replace(service, application="De_lay".lower(), environment="prod")
    with pytest.raises(NamesCollide):
        render_target("terraform", replace(on_s3(flights), services=(replace(twin, application="de-lay"), twin)))
    with pytest.raises(CannotExpress, match="no name for the deployment"):
        render_target("terraform", replace(on_s3(flights), services=(replace(service, application="x" * 30),)))


def test_what_a_team_changed_in_a_module_stays(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "shipway.yaml").write_text("project: sample\npipeline: steps.py\n" + OBJECTS)
    words = [sys.executable, "-m", "shipway", "-C", str(tmp_path), "render", "terraform", "--json"]

    def render(*more: str) -> dict[str, Any]:
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=True)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    assert "modules/key/main.tf" in render()["written"]
    home = tmp_path / "deploy" / "terraform"
    (home / "main.tf").write_text("# ours now\n")
    (home / "shipway.auto.tfvars.json").write_text("{}\n")
    (home / "outputs.tf").unlink()
    assert render()["written"] == ["outputs.tf", "shipway.auto.tfvars.json"]
    assert (home / "main.tf").read_text() == "# ours now\n"
    assert render("--check")["written"] == []
