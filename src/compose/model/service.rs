//! `services.*`.

use super::{Build, Deploy, Develop, Device, List, Map, Strings, Time, Variables, field::part};
use super::{ConfigReference, Dependency, DeviceRequest, EnvFile, Hook, InitContainer, Mount, NetworkAttachment, Port};
use crate::value::{Name, Text};

part! {
    /// One service. Specification: 05-services.
    Service {
        /// `annotations`.
        annotations: Strings,
        /// `attach`.
        attach: bool,
        /// `blkio_config`.
        blkio_config: BlockIo,
        /// `build`.
        build: Build,
        /// `cap_add`.
        cap_add: List<Text>,
        /// `cap_drop`.
        cap_drop: List<Text>,
        /// `cgroup`: `host` or `private`.
        cgroup: Text,
        /// `cgroup_parent`.
        cgroup_parent: Text,
        /// `command`; an empty list clears the image's.
        command: List<Text>,
        /// `configs`.
        configs: List<ConfigReference>,
        /// `container_name`.
        container_name: Text,
        /// `cpu_count`.
        cpu_count: i64,
        /// `cpu_percent`.
        cpu_percent: f64,
        /// `cpu_period`, microseconds.
        cpu_period: i64,
        /// `cpu_quota`, microseconds.
        cpu_quota: i64,
        /// `cpu_rt_period`, microseconds.
        cpu_rt_period: i64,
        /// `cpu_rt_runtime`, microseconds.
        cpu_rt_runtime: i64,
        /// `cpu_shares`.
        cpu_shares: i64,
        /// `cpus`.
        cpus: f64,
        /// `cpuset`.
        cpuset: Text,
        /// `credential_spec`.
        credential_spec: CredentialSpec,
        /// `depends_on`, long form.
        depends_on: Map<Dependency>,
        /// `deploy`.
        deploy: Deploy,
        /// `develop`.
        develop: Develop,
        /// `device_cgroup_rules`.
        device_cgroup_rules: List<Text>,
        /// `devices`, long form.
        devices: List<Device>,
        /// `dns`.
        dns: List<Text>,
        /// `dns_opt`.
        dns_opt: List<Text>,
        /// `dns_search`.
        dns_search: List<Text>,
        /// `domainname`.
        domainname: Text,
        /// `entrypoint`; an empty list clears the image's.
        entrypoint: List<Text>,
        /// `env_file`; its variables are already in `environment`.
        env_file: List<EnvFile>,
        /// `environment`, with what `env_file` gave.
        environment: Variables,
        /// `expose`: `8080`, `8080/udp`, `8000-8010`.
        expose: List<Text>,
        /// `extends`; already carried out.
        extends: Extends,
        /// `external_links`.
        external_links: List<Text>,
        /// `extra_hosts`: addresses by host name.
        extra_hosts: Map<List<Text>>,
        /// `gpus`.
        gpus: List<DeviceRequest>,
        /// `group_add`.
        group_add: List<Text>,
        /// `healthcheck`.
        healthcheck: Healthcheck,
        /// `hostname`.
        hostname: Text,
        /// `image`, as written.
        image: Text,
        /// `init`.
        init: bool,
        /// `ipc`.
        ipc: Text,
        /// `isolation`.
        isolation: Text,
        /// `label_file`; its labels are already in `labels`.
        label_file: List<Text>,
        /// `labels`.
        labels: Strings,
        /// `links`.
        links: List<Text>,
        /// `logging`.
        logging: Logging,
        /// `mac_address`.
        mac_address: Text,
        /// `mem_limit`, bytes.
        mem_limit: i64,
        /// `mem_reservation`, bytes.
        mem_reservation: i64,
        /// `mem_swappiness`.
        mem_swappiness: i64,
        /// `memswap_limit`, bytes.
        memswap_limit: i64,
        /// `models`.
        models: Map<ModelReference>,
        /// `network_mode`.
        network_mode: Text,
        /// `networks`.
        networks: Map<NetworkAttachment>,
        /// `oom_kill_disable`.
        oom_kill_disable: bool,
        /// `oom_score_adj`.
        oom_score_adj: i64,
        /// `pid`.
        pid: Text,
        /// `pids_limit`.
        pids_limit: i64,
        /// `platform`.
        platform: Text,
        /// `ports`, long form.
        ports: List<Port>,
        /// `post_start`.
        post_start: List<Hook>,
        /// `pre_start`.
        pre_start: List<InitContainer>,
        /// `pre_stop`.
        pre_stop: List<Hook>,
        /// `privileged`.
        privileged: bool,
        /// `profiles`.
        profiles: List<Text>,
        /// `provider`.
        provider: Provider,
        /// `pull_policy`.
        pull_policy: Text,
        /// `pull_refresh_after`.
        pull_refresh_after: Text,
        /// `read_only`.
        read_only: bool,
        /// `restart`: `no`, `always`, `on-failure[:N]`, `unless-stopped`.
        restart: Text,
        /// `runtime`.
        runtime: Text,
        /// `scale`.
        scale: i64,
        /// `secrets`.
        secrets: List<ConfigReference>,
        /// `security_opt`.
        security_opt: List<Text>,
        /// `shm_size`, bytes.
        shm_size: i64,
        /// `stdin_open`.
        stdin_open: bool,
        /// `stop_grace_period`.
        stop_grace_period: Time,
        /// `stop_signal`.
        stop_signal: Text,
        /// `storage_opt`.
        storage_opt: Strings,
        /// `sysctls`.
        sysctls: Strings,
        /// `tmpfs`: `path[:options]`.
        tmpfs: List<Text>,
        /// `tty`.
        tty: bool,
        /// `ulimits`.
        ulimits: Map<Ulimit>,
        /// `use_api_socket`.
        use_api_socket: bool,
        /// `user`: `name|id[:group|id]`.
        user: Text,
        /// `userns_mode`.
        userns_mode: Text,
        /// `uts`.
        uts: Text,
        /// `volumes`, long form.
        volumes: List<Mount>,
        /// `volumes_from`.
        volumes_from: List<Text>,
        /// `working_dir`.
        working_dir: Text,
    }
}

part! {
    /// `healthcheck`.
    Healthcheck {
        /// `disable`.
        disable: bool,
        /// `interval`.
        interval: Time,
        /// `retries`.
        retries: i64,
        /// `start_interval`.
        start_interval: Time,
        /// `start_period`.
        start_period: Time,
        /// `test`: `NONE`; `CMD` and words; `CMD-SHELL` and a line.
        test: List<Text>,
        /// `timeout`.
        timeout: Time,
    }
}

part! {
    /// `extends`.
    Extends {
        /// `file`.
        file: Text,
        /// `service`.
        service: Text,
    }
}

part! {
    /// `logging`.
    Logging {
        /// `driver`.
        driver: Text,
        /// `options`.
        options: Strings,
    }
}

part! {
    /// `ulimits.*`.
    Ulimit {
        /// A single number for both.
        single: i64,
        /// `soft`.
        soft: i64,
        /// `hard`.
        hard: i64,
    }
}

part! {
    /// `blkio_config`.
    BlockIo {
        /// `device_read_bps`.
        device_read_bps: List<BlockIoLimit>,
        /// `device_read_iops`.
        device_read_iops: List<BlockIoLimit>,
        /// `device_write_bps`.
        device_write_bps: List<BlockIoLimit>,
        /// `device_write_iops`.
        device_write_iops: List<BlockIoLimit>,
        /// `weight`.
        weight: i64,
        /// `weight_device`.
        weight_device: List<BlockIoWeight>,
    }
}

part! {
    /// `blkio_config.device_*.*`.
    BlockIoLimit {
        /// `path`.
        path: Text,
        /// `rate`, bytes or operations per second.
        rate: i64,
    }
}

part! {
    /// `blkio_config.weight_device.*`.
    BlockIoWeight {
        /// `path`.
        path: Text,
        /// `weight`.
        weight: i64,
    }
}

part! {
    /// `credential_spec`.
    CredentialSpec {
        /// `config`.
        config: Text,
        /// `file`.
        file: Text,
        /// `registry`.
        registry: Text,
    }
}

part! {
    /// `provider`.
    Provider {
        /// `type`.
        kind: Text = "type",
        /// `options`.
        options: Map<List<Text>>,
    }
}

part! {
    /// `services.*.models.*`.
    ModelReference {
        /// `endpoint_var`.
        endpoint_var: Text,
        /// `model_var`.
        model_var: Text,
    }
}

/// The name under which a service is reached, kept as written.
pub type ServiceName = Name;
