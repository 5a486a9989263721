"""Print the stub of the reference module that demessaging generates.

The arguments are those of the module's command line. demessaging writes annotations without the
imports and the classes that they need. A module can name these in the registry, but the reference
module does not.
"""

import sys

import reference_module
from demessaging import main, registry

registry.register_import("datetime")
registry.register_import("deprogressapi.tree")
registry.register_type(reference_module.Point)
main("reference_module", *sys.argv[1:])
