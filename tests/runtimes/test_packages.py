"""Programs that are published as packages, unmodified, in functions that bring them."""

import pytest

# The first test waits until the runtime is built, and may install the packages.
pytestmark = pytest.mark.timeout(900)


def test_jinja2(daemon, python, python_packages):
    name = python(
        {
            "app.py": """
                import jinja2
                def handler(event, context):
                    return jinja2.__version__
                """
        }
        | python_packages("jinja2")
    )
    assert daemon.invoke(name).ok() == "3.1.6"


def test_lodash(daemon, javascript, node_packages):
    name = javascript(
        {"index.mjs": "import _ from 'lodash'; export const handler = async (event) => _.chunk(event, 2)"}
        | node_packages("lodash")
    )
    assert daemon.invoke(name, [1, 2, 3]).ok() == [[1, 2], [3]]
