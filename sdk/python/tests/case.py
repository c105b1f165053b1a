"""What tests of calls share: a core, a client of it, codes of failures."""
import unittest

import tfaas
from core import Core

URL = "https://core.test"


class Case(unittest.TestCase):
    def setUp(self):
        self.core = Core()

    def client(self, policy=..., **options):
        core = self.core
        options.setdefault("transport", core.transport)
        options.setdefault("clock", lambda: core.now)
        return tfaas.Client(URL, core.policy if policy is ... else policy, **options)

    def fails(self, code, call, *args, **kwargs):
        with self.assertRaises(tfaas.TfaasError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception
