"""Functions on a daemon, made with what tests rarely care about filled in."""

from . import clients, packages, wait

# What CreateFunction asks for besides a name and code.
ROLE_AND_RUNTIME = {"Runtime": "provided.al2023", "Handler": "bootstrap", "Role": clients.ROLE}


def create(lam, name, zipped, environment=None, **more):
    """CreateFunction with what tests rarely care about filled in, waited for until Active."""
    settings = (
        {
            "Timeout": 10,
            "MemorySize": 128,
        }
        | ROLE_AND_RUNTIME
        | more
    )
    if environment is not None:
        settings["Environment"] = {"Variables": environment}
    answer = lam.create_function(FunctionName=name, Code={"ZipFile": zipped}, **settings)
    active(lam, name)
    return answer


def public(lam, name, qualifier=None):
    """Lets everybody call the function's URL of the kind NONE, as SAM and the console do."""
    settings = {"Qualifier": qualifier} if qualifier else {}
    return lam.add_permission(
        FunctionName=name,
        StatementId="FunctionURLAllowPublicAccess",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
        **settings,
    )


def active(lam, name, seconds=30):
    """Waits until the function can be invoked and its last update is done."""

    def settled():
        now = lam.get_function_configuration(FunctionName=name)
        assert now.get("State") != "Failed", now
        return now.get("State") == "Active" and now.get("LastUpdateStatus") in (None, "Successful")

    wait.until(f"{name} is active", settled, seconds)


def zipped(package):
    """A guest's name or the bytes of a zip, as the bytes of a zip."""
    if isinstance(package, bytes):
        return package
    return packages.text_package(package) if "." in package else packages.package(package)
