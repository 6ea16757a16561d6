import { join } from 'node:path'
import { defaultSchedulerConfig } from '../../../src/base/scheduler-config.ts'
import type { Cloud } from './cloud.ts'

/**
 * Tempest's settings for this cloud: credentials made as needed, and every switch as it is true of Lodge today.
 * What is false there is skipped by Tempest itself, with its own words.
 */
export function tempestConf(cloud: Cloud, directory: string): string {
  const sections: Record<string, Record<string, string | number | boolean>> = {
    DEFAULT: { log_file: join(directory, 'tempest.log'), debug: false },
    oslo_concurrency: { lock_path: join(directory, 'locks') },
    auth: {
      use_dynamic_credentials: true,
      create_isolated_networks: false,
      admin_username: 'admin',
      admin_password: cloud.adminPassword,
      admin_project_name: 'admin',
      admin_domain_name: 'Default',
    },
    identity: {
      uri_v3: `${cloud.url}/identity/v3`,
      auth_version: 'v3',
      region: 'RegionOne',
      v3_endpoint_type: 'public',
    },
    'identity-feature-enabled': {
      api_v2: false,
      api_v2_admin: false,
      trust: false,
      application_credentials: false,
      access_rules: false,
      project_tags: false,
    },
    service_available: {
      nova: true,
      glance: true,
      neutron: false,
      cinder: false,
      swift: false,
      horizon: false,
    },
    validation: { run_validation: false },
    compute: {
      image_ref: cloud.imageIds[0],
      image_ref_alt: cloud.imageIds[1],
      flavor_ref: cloud.flavorIds[0],
      flavor_ref_alt: cloud.flavorIds[1],
      max_microversion: 'latest',
      min_compute_nodes: cloud.hosts,
      build_interval: 1,
      build_timeout: 120,
    },
    'compute-feature-enabled': {
      // Served.
      console_output: true,
      pause: true,
      suspend: true,
      snapshot: true,
      enable_instance_password: true,
      // To another host, as in Nova.
      resize: cloud.hosts > 1,
      cold_migration: true,
      live_migration: true,
      block_migration_for_live_migration: true,
      live_migrate_back_and_forth: true,
      scheduler_enabled_filters: defaultSchedulerConfig.filters.join(','),
      // Not yet: see the issue "The whole life of a server".
      change_password: false,
      shelve: false,
      rescue: false,
      stable_rescue: false,
      personality: false,
      config_drive: false,
      vnc_console: false,
      // Not yet: networks and volumes.
      metadata_service: false,
      interface_attach: false,
      attach_encrypted_volume: false,
      swap_volume: false,
      nova_cert: false,
      // Despite its name this lets the tests of server metadata run.
      xenapi_apis: true,
    },
    'network-feature-enabled': { floating_ips: false },
    'image-feature-enabled': { api_v1: false, api_v2: true, import_image: false },
  }
  return Object.entries(sections)
    .map(([name, values]) => `[${name}]\n${Object.entries(values).map(line).join('')}`)
    .join('\n')
}

/** oslo.config reads `$name` as another setting's value. */
const line = ([key, value]: [string, string | number | boolean]): string =>
  `${key} = ${String(value).replaceAll('$', () => '$$')}\n`
