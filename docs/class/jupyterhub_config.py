"""A JupyterHub for a class, on The Littlest JupyterHub; docs/class.md has the steps.

Students get their notebooks from /etc/skel, which the system copies into each new home: their own copy, once, kept
from one day to the next.
"""

c = get_config()  # noqa: F821  (JupyterHub gives it)

c.Spawner.default_url = "/lab/tree/kits_msan/01_data_exploration.ipynb"
c.Spawner.mem_limit = "4G"  # for each student; The Littlest JupyterHub holds them to it with systemd
c.Spawner.cpu_limit = 2
c.Spawner.environment = {"OMP_NUM_THREADS": "2"}  # or each student's torch takes all processors
c.Spawner.http_timeout = 120  # seconds; the first start on a busy morning is slow
