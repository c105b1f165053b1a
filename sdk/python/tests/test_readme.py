"""The examples of README.md run as they stand there."""
import contextlib
import io
import os
import re
import unittest

from core import Core


class Readme(unittest.TestCase):
    def test_examples(self):
        with open(os.path.join(os.path.dirname(__file__), "..", "README.md"), encoding="utf-8") as file:
            examples = re.findall(r"```python\n(.*?)```", file.read(), re.S)
        self.assertEqual(len(examples), 2)
        core, said = Core(), io.StringIO()
        with core.listen() as server, contextlib.redirect_stdout(said):
            names = {"url": server.url, "policy": core.policy}
            for example in examples:
                exec(compile(example, "README.md", "exec"), names)  # pylint: disable=exec-used
        self.assertIn("200 world\n", said.getvalue())
        self.assertIn(f"package {core.package} did 1 units of work\n", said.getvalue())
        self.assertIn("SIMULATED evidence holds", said.getvalue())
        self.assertIn("b'world'", said.getvalue())
        self.assertEqual([request.path for request, _ in core.calls],
                         [b"/function/hello.openfaas-fn?lang=en", b"/function/hello.openfaas-fn"])


if __name__ == "__main__":
    unittest.main()
