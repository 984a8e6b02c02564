"""Is the folder what the server has, whatever an action left in it?"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from worker import data
from worker.data import DataRefused
from worker.wire import ArchivedFile

ID = "0190a5c0-0000-7000-8000-0000000000aa"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / ID
    made.mkdir()
    return made


def a_file(path: str, content: bytes = b"1", *, executable: bool = False) -> ArchivedFile:
    return ArchivedFile(path=path, content=content, executable=executable)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and not one.is_symlink()
    }


def test_what_is_mirrored_reads_the_same(folder):
    files = (a_file("a"), a_file("s/deep/ö"), a_file("x.sh", b"#!", executable=True))
    data.mirror(folder, files)
    assert set(data.read(folder)) == set(files)


def test_a_name_that_is_not_utf8_is_kept(folder):
    data.mirror(folder, (a_file("z\udcff"),))
    with os.scandir(os.fsencode(folder)) as entries:
        assert [one.name for one in entries] == [b"z\xff"]
    assert data.read(folder) == (a_file("z\udcff"),)


def test_a_mirror_adds_changes_and_deletes(folder):
    data.mirror(folder, (a_file("stays"), a_file("changes"), a_file("goes/away")))
    data.mirror(folder, (a_file("stays"), a_file("changes", b"22"), a_file("new/one")))
    assert tree(folder) == {"stays": b"1", "changes": b"22", "new/one": b"1"}
    assert not (folder / "goes").exists()


def test_a_shorter_content_leaves_nothing_of_the_longer(folder):
    data.mirror(folder, (a_file("data", b'{"long": "long long"}'),))
    data.mirror(folder, (a_file("data", b"{}"),))
    assert (folder / "data").read_bytes() == b"{}"


def test_a_file_may_become_a_folder_and_back(folder):
    data.mirror(folder, (a_file("a"),))
    data.mirror(folder, (a_file("a/b"),))
    assert tree(folder) == {"a/b": b"1"}
    data.mirror(folder, (a_file("a"),))
    assert tree(folder) == {"a": b"1"}


def test_the_executable_bit_follows_without_a_change_of_content(folder):
    data.mirror(folder, (a_file("a"),))
    data.mirror(folder, (a_file("a", executable=True),))
    assert os.access(folder / "a", os.X_OK)


def test_writing_follows_no_link_out_of_the_folder(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (folder / "link").symlink_to(outside / "file")
    (folder / "sub").symlink_to(outside)
    data.mirror(folder, (a_file("link", b"new"), a_file("sub/file", b"new")))
    assert (outside / "file").read_text() == "precious"
    assert tree(folder) == {"link": b"new", "sub/file": b"new"}


def test_writing_leaves_the_other_name_of_a_hard_link_alone(folder, tmp_path):
    (tmp_path / "other").write_text("precious")
    os.link(tmp_path / "other", folder / "a")
    data.mirror(folder, (a_file("a", b"new"),))
    assert (tmp_path / "other").read_text() == "precious"


def test_a_folder_that_became_a_link_is_made_anew(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    folder.rmdir()
    folder.symlink_to(tmp_path / "outside")
    data.mirror(folder, (a_file("a"),))
    assert not folder.is_symlink()
    assert not list((tmp_path / "outside").iterdir())


def _link(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))


@pytest.mark.parametrize(
    ("make", "kind"),
    [(_link, "a symbolic link"), (os.mkfifo, "a fifo"), (_socket, "a socket")],
)
def test_what_is_no_file_is_named_and_not_read(folder, monkeypatch, make, kind):
    (folder / "s").mkdir()
    monkeypatch.chdir(folder / "s")  # a socket's path is short
    make(Path("x"))
    with pytest.raises(DataRefused, match=f"{kind} at 's/x'; only plain files"):
        data.read(folder)


def test_a_link_to_a_folder_is_not_walked(folder):
    (folder / "sub").symlink_to("/etc")
    with pytest.raises(DataRefused, match="a symbolic link at 'sub'"):
        data.read(folder)


def test_the_size_is_told_without_reading_the_files(folder):
    with (folder / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataRefused, match=f"is {2**40} bytes, the limit is 10485760 bytes"):
        data.read(folder)


def test_a_lower_limit_is_kept(folder):
    (folder / "a").write_bytes(b"12345")
    assert data.read(folder, limit_bytes=5)
    with pytest.raises(DataRefused, match="5 bytes, the limit is 4 bytes"):
        data.read(folder, limit_bytes=4)


def test_too_many_files_are_refused(folder):
    for number in range(4_097):
        (folder / str(number)).touch()
    with pytest.raises(DataRefused, match="4097 files, the limit is 4096 files"):
        data.read(folder)


def make_deep(folder: Path, depth: int) -> None:
    top = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=top)
        below = os.open("d", os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=top))
    os.close(top)


def test_folders_too_deep_are_refused_and_can_still_be_removed(folder):
    make_deep(folder, 1_200)
    with pytest.raises(DataRefused, match="more than 64 deep"):
        data.read(folder)
    data.mirror(folder, (a_file("a"),))
    assert tree(folder) == {"a": b"1"}


def test_removing_takes_everything_and_follows_nothing(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("precious")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "link").symlink_to(tmp_path / "outside")
    (folder / ".removed.0").mkdir()
    (folder / ".removed.0" / "x").mkdir()
    make_deep(folder / "a", 1_200)
    data.remove(folder)
    assert not folder.exists()
    assert (tmp_path / "outside" / "file").read_text() == "precious"


def test_removing_what_is_not_there_is_no_error(tmp_path):
    data.remove(tmp_path / ID)
    data.remove(tmp_path / "no" / ID)


@pytest.mark.parametrize("name", ["..", "../x", "", "a/b", "workflow", f"{ID}/.."])
def test_a_workflow_id_that_is_no_uuid_names_no_folder(tmp_path, name):
    with pytest.raises(DataRefused, match="not a workflow id"):
        data.folder_of(tmp_path, name)


def test_only_folders_of_other_workflows_are_others(tmp_path, folder):
    other = tmp_path / "0190a5c0-0000-7000-8000-0000000000bb"
    other.mkdir()
    (tmp_path / "lost+found").mkdir()
    assert data.others(tmp_path, ID) == (other,)
    assert data.others(tmp_path / "no", ID) == ()


@pytest.mark.parametrize("swapped", ["a", "in"])
def test_a_link_that_is_put_in_place_between_two_looks_is_not_followed(
    tmp_path, monkeypatch, swapped
):
    secret = tmp_path / "secret"
    (secret / "in").mkdir(parents=True)
    for path in (secret / "a", secret / "in" / "a"):
        path.write_bytes(b"of the machine")
    folder = tmp_path / "workflow"
    (folder / "in").mkdir(parents=True)
    (folder / "a").write_bytes(b"shared")
    (folder / "in" / "a").write_bytes(b"shared")
    really_open = os.open

    def swap_and_open(path, flags, mode=0o777, *, dir_fd=None):
        place = folder / swapped
        if path == swapped and not place.is_symlink():
            place.rename(tmp_path / "moved")
            place.symlink_to(secret / swapped)
        return really_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swap_and_open)
    with pytest.raises((data.DataRefused, OSError)):
        data.read(folder)
