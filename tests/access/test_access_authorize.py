"""The table of permissions, and who is taken to sit at the keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.access import Action, Actor, Forbidden, authorize, local_actor, may_approve

TABLE = {
    "admin": {Action.READ, Action.MOVE, Action.RETURN, Action.APPROVE, Action.RECORD, Action.FORCE, Action.REVOKE},
    "operator": {Action.READ, Action.MOVE, Action.RETURN, Action.RECORD},
    "approver": {Action.READ, Action.APPROVE},
    "checker": {Action.READ, Action.RECORD},
    "reader": {Action.READ},
    "stranger": set[Action](),
}


def allowed(roles: set[str], action: Action) -> bool:
    try:
        authorize(Actor("ann", frozenset(roles)), action, "deploy/delay@prod")
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("role", TABLE)
@pytest.mark.parametrize("action", Action)
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: str, action: Action) -> None:
    assert allowed({role}, action) is (action in TABLE[role])


def test_roles_add_up() -> None:
    assert not allowed({"reader", "operator"}, Action.APPROVE)
    assert allowed({"reader", "approver"}, Action.APPROVE)


@pytest.mark.parametrize("role", [role for role in TABLE if role != "stranger"])
def test_a_key_approves_by_a_role_that_may_approve(role: str) -> None:
    assert may_approve({role}) is (Action.APPROVE in TABLE[role])


def test_a_key_approves_by_a_word_of_the_projects_own_and_by_no_role_not_at_all() -> None:
    assert may_approve({"security"})
    assert may_approve({"reader", "security"})
    assert not may_approve({"reader", "operator", "checker"})
    assert not may_approve(())


def test_a_refusal_names_the_actor_the_roles_and_the_resource() -> None:
    with pytest.raises(Forbidden, match=r"bob \(approver, reader\) may not move deploy/delay@prod") as problem:
        authorize(Actor("bob", frozenset({"reader", "approver"})), Action.MOVE, "deploy/delay@prod")
    assert problem.value.where == "deploy/delay@prod"
    with pytest.raises(Forbidden, match="no role"):
        authorize(Actor("eve", frozenset()), Action.READ, "data/flights")


def test_the_person_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    assert local_actor({"SHIPWAY_ACTOR": "ci@example.org"}, tmp_path) == Actor("ci@example.org", frozenset({"admin"}))


def test_without_it_the_person_is_the_one_of_the_folders_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "user.email", "bob@example.org"], check=True)
    assert local_actor({}, tmp_path).name == "bob@example.org"
    assert local_actor({"SHIPWAY_ACTOR": ""}, tmp_path).name == "bob@example.org"


def test_without_git_it_is_the_login_name(tmp_path: Path) -> None:
    assert who(tmp_path, LOGNAME="carol") == "carol"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody without a name")
def test_a_user_without_a_name_goes_by_the_number(tmp_path: Path) -> None:
    assert who(tmp_path, become="os.setuid(54321); ") == "user-54321"


def who(folder: Path, *, become: str = "", **environ: str) -> str:
    """The actor in a process that has no Git on its path."""
    script = "from shipway.access import local_actor; from pathlib import Path; import os, pwd; "
    command = [sys.executable, "-c", f"{script}{become}print(local_actor({{}}, Path('/')).name)"]
    done = subprocess.run(command, cwd=folder, env={"PATH": "", **environ}, capture_output=True, text=True, check=True)
    return done.stdout.strip()
