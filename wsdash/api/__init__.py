"""The migrated service as its users speak to it: one client, and how often it may be asked.

`ApiClient` asks one generation of the API; `allowance_of` knows, for each address, how many requests a minute
the API takes from here. Steps, pollers and diagnostics all ask through the same allowance, so that together
they stay below the limit.
"""

from wsdash.api.allowance import Allowance, allowance_of
from wsdash.api.client import ApiClient

__all__ = ["Allowance", "ApiClient", "allowance_of"]
