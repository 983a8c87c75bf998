"""nacos-sdk-python, as NacosWatcher.java is in Java: it registers one instance of the service
"watched" and says what it hears, until it is killed.

Usage: nacos_watcher.py http|grpc ADDRESSES IP DIRECTORY
The first word chooses the older client over HTTP, which only the line 2.x has, or the newer one
over gRPC.
"""

import asyncio
import sys
import time

kind, servers, ip, folder = sys.argv[1:]
DATA_ID, GROUP, SERVICE = "watched.properties", "dubbo", "watched"


def say(*words):
    print(*words, flush=True)


class Lists:
    """Says a list when it is another one than before."""

    def __init__(self):
        self.last = None

    def show(self, ips):
        line = ",".join(sorted(ips))
        if line != self.last:
            self.last = line
            say("list", line)


def over_http():
    import nacos

    c = nacos.NacosClient(servers, namespace="", logDir=folder)
    c.set_options(snapshot_base=folder, pulling_timeout=10)
    assert c.add_naming_instance(SERVICE, ip, 80, heartbeat_interval=5)
    # It tells of changes only: what is there at first is read.
    content = c.get_config(DATA_ID, GROUP, timeout=5)
    say("config", content)
    c.add_config_watcher(DATA_ID, GROUP, lambda change: say("config", change["content"]), content=content)
    say("ok watcher")
    lists = Lists()
    while True:
        try:
            lists.show(host["ip"] for host in c.list_naming_instance(SERVICE, healthy_only=True)["hosts"])
        except Exception as e:  # of a server that dies while it is asked: nothing is shown
            say("asked in vain:", e)
        time.sleep(0.2)


async def over_grpc():
    from v2.nacos import (
        ClientConfigBuilder, GRPCConfig, ListInstanceParam, NacosConfigService, NacosNamingService, RegisterInstanceParam,
        SubscribeServiceParam,
    )

    settings = (
        ClientConfigBuilder().server_address(servers).namespace_id("").log_dir(folder).cache_dir(folder).log_level("INFO")
        .grpc_config(GRPCConfig(grpc_timeout=5000)).load_cache_at_start(False).build()
    )
    naming = await NacosNamingService.create_naming_service(settings)
    configs = await NacosConfigService.create_config_service(settings)
    pushed, asked = Lists(), Lists()

    async def listed(instances):
        pushed.show(i.ip for i in instances)

    async def changed(tenant, data_id, group, content):
        say("config", content)

    assert await naming.register_instance(RegisterInstanceParam(service_name=SERVICE, ip=ip, port=80, ephemeral=True))
    await naming.subscribe(SubscribeServiceParam(service_name=SERVICE, subscribe_callback=listed))
    await configs.add_listener(DATA_ID, GROUP, changed)
    say("ok watcher")
    while True:
        try:
            asked.show(i.ip for i in await naming.list_instances(ListInstanceParam(service_name=SERVICE, healthy_only=True)))
        except Exception as e:
            say("asked in vain:", e)
        await asyncio.sleep(0.2)


if kind == "http":
    over_http()
else:
    asyncio.run(over_grpc())
