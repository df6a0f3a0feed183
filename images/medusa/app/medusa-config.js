'use strict';
// Medusa's configuration, from the variables that the chart sets.
const { defineConfig } = require('@medusajs/framework/utils');
const { databaseUrl, databaseDriverOptions } = require('./storeplane/database-settings');

const { STORE_URL = 'http://store.invalid', STORE_ORIGINS = STORE_URL, STORE_STAGING, STORE_REDIS_URL, STORE_UPLOADS = '/srv/uploads', JWT_SECRET, COOKIE_SECRET } = process.env;

const redis = (resolve, options) => ({ resolve: `@medusajs/medusa/${resolve}`, options });
const withRedis = [
  redis('event-bus-redis', { redisUrl: STORE_REDIS_URL }),
  redis('cache-redis', { redisUrl: STORE_REDIS_URL }),
  redis('workflow-engine-redis', { redis: { redisUrl: STORE_REDIS_URL } }),
  redis('locking', {
    providers: [{ resolve: '@medusajs/medusa/locking-redis', id: 'locking-redis', is_default: true, options: { redisUrl: STORE_REDIS_URL } }],
  }),
];

module.exports = defineConfig({
  projectConfig: {
    databaseUrl: databaseUrl(),
    databaseDriverOptions: databaseDriverOptions(),
    redisUrl: STORE_REDIS_URL,
    // a copy for testing runs no subscribers and no scheduled jobs, which is what reaches customers by itself
    workerMode: STORE_STAGING === 'true' ? 'server' : 'shared',
    // shop page and admin have the origin of the API; other storefronts are named
    http: { storeCors: STORE_ORIGINS, adminCors: STORE_URL, authCors: STORE_ORIGINS, jwtSecret: JWT_SECRET, cookieSecret: COOKIE_SECRET, compression: { enabled: true } },
    // a browser does not send a secure cookie over plain HTTP
    cookieOptions: { sameSite: 'lax', secure: STORE_URL.startsWith('https:') },
  },
  admin: { path: '/app', backendUrl: '/' },
  modules: [
    {
      resolve: '@medusajs/medusa/file',
      options: {
        providers: [
          {
            resolve: '@medusajs/medusa/file-local',
            id: 'local',
            options: { upload_dir: STORE_UPLOADS, private_upload_dir: `${STORE_UPLOADS}/.private`, backend_url: `${STORE_URL}/static` },
          },
        ],
      },
    },
    ...(STORE_REDIS_URL ? withRedis : []),
  ],
});
