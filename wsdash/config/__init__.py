"""Typed settings: wsdash.yaml, then the environment.

`load_settings` reads them: every value has its type and a range that it can be right in, and every path is
absolute. An error names file, key, value and remedy. `shipped` finds what travels with wsdash. Nothing here
is a secret: a key names the variable or the file that holds one.
"""

from wsdash.config.read import ENV_PREFIX, load_settings, read_yaml, secret_variables, shipped
from wsdash.config.rules import absolute_path, element_of, unwrapped
from wsdash.config.settings import (
    AlertSettings,
    ApiSettings,
    AppsSettings,
    BranchingSettings,
    CopySettings,
    CutoverSettings,
    DatabaseSettings,
    EndpointSettings,
    ExternalService,
    LoadTestSettings,
    MetricsSettings,
    NotifySettings,
    PathSettings,
    ScreenSettings,
    Settings,
    StackSettings,
    Thresholds,
    WorkspaceSettings,
)

__all__ = [
    "ENV_PREFIX",
    "AlertSettings",
    "ApiSettings",
    "AppsSettings",
    "BranchingSettings",
    "CopySettings",
    "CutoverSettings",
    "DatabaseSettings",
    "EndpointSettings",
    "ExternalService",
    "LoadTestSettings",
    "MetricsSettings",
    "NotifySettings",
    "PathSettings",
    "ScreenSettings",
    "Settings",
    "StackSettings",
    "Thresholds",
    "WorkspaceSettings",
    "absolute_path",
    "element_of",
    "load_settings",
    "read_yaml",
    "secret_variables",
    "shipped",
    "unwrapped",
]
