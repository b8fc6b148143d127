"""Functions that the configuration declares with an image."""

import subprocess

from harness import wait
from harness.daemon import binary
from harness.registry import settings, wasm


def declared(image, name="declared"):
    return f'[[functions]]\nname = "{name}"\nimage = "{image}"\n[[functions.aliases]]\nname = "live"\n'


def test_an_image_is_declared_kept_and_replaced(own_daemon, registry):
    first, second = registry.push("declared", "v1", wasm("one")), registry.push("declared", "v2", wasm("two"))
    daemon = own_daemon(settings(registry.host) + declared(registry.reference("declared", "v1"))).start()
    assert daemon.invoke("declared", {"a": 1}, Qualifier="live").ok() == {"a": 1}
    assert daemon.lam.get_function(FunctionName="declared")["Code"]["ResolvedImageUri"].endswith(first)
    # A tag that moved is not looked up again, and the registry is not needed.
    registry.push("declared", "v1", wasm("three"))
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.lam.get_alias(FunctionName="declared", Name="live")["FunctionVersion"] == "1"
    assert daemon.lam.get_function(FunctionName="declared")["Code"]["ResolvedImageUri"].endswith(first)
    daemon.config.write_text(settings(registry.host) + declared(registry.reference("declared", "v2")))
    daemon.hang_up()

    def moved():
        return daemon.lam.get_alias(FunctionName="declared", Name="live")["FunctionVersion"] == "2"

    wait.until("the alias moves", moved, 60)
    found = daemon.lam.get_function(FunctionName="declared", Qualifier="live")
    assert found["Code"]["ResolvedImageUri"].endswith(second)


def test_an_image_that_cannot_be_had_is_told_and_the_rest_is_served(own_daemon, registry):
    registry.push("good", "v1", wasm())
    config = settings(registry.host) + declared(registry.reference("good", "none"), "absent")
    config += declared(registry.reference("good", "v1"), "present")
    daemon = own_daemon(config).start()
    assert daemon.invoke("present", 1).ok() == 1
    assert "functions[0]" in daemon.tail() and "does not exist" in daemon.tail()


def test_what_is_wrong_with_a_declaration_is_told_before_the_start(tmp_path):
    def check(config):
        path = tmp_path / "config.toml"
        path.write_text(config)
        return subprocess.run([binary(), "check", path], capture_output=True, timeout=60)

    (tmp_path / "f.wat").write_text("(module)")
    section = settings("127.0.0.1:5000", layout_directories=[str(tmp_path)])
    for more, says in (
        (declared("ghcr.io/a/b:v1"), "functions[0].image: the registry ghcr.io is not in images.registries"),
        (declared("app:v1"), "functions[0].image: it names no registry"),
        (declared("oci:/elsewhere"), "functions[0].image: it is not below a directory of images.layout_directories"),
        (f'[[functions]]\nname = "f"\npackage = "{tmp_path}/f.wat"\nimage = "127.0.0.1:5000/a"\n', "not both"),
        ('[[functions]]\nname = "f"\n', "needs a package or an image"),
    ):
        checked = check(section + more)
        assert checked.returncode != 0 and says in checked.stderr.decode(), (more, checked.stderr)
    for bad in ('registries = ["https://ghcr.io"]', "max_pulls = 0", 'credentials_file = "/nowhere"'):
        checked = check(f"[images]\n{bad}\n")
        assert checked.returncode != 0 and f"images.{bad.split(' ')[0]}" in checked.stderr.decode()
