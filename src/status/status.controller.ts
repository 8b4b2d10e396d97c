import type { ServerResponse } from 'node:http';
import { type CanActivate, Controller, Get, Inject, Res, type Type, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { pageHeaders, statusPage } from './page/status.page.js';
import { StatusStream } from './status.stream.js';
import type { StatusView } from './status.view.js';

/** Makes what the page shows. */
export const STATUS_VIEW = Symbol('nest-consistent:status-view');

/** What Express and Fastify hand to a handler. */
interface Reply {
  /** Fastify: the answer is ours from here. */
  hijack?(): unknown;
  readonly raw?: ServerResponse;
}

/** A controller at this path behind this guard. Answers past the application's interceptors, which would wrap them. */
export function statusController(path: string, guard: Type<CanActivate> | CanActivate): Type<object> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(guard)
  class ConsistentStatusController {
    constructor(
      @Inject(STATUS_VIEW) private readonly view: () => Promise<StatusView>,
      @Inject(StatusStream) private readonly stream: StatusStream,
      @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    ) {}

    @Get()
    async page(@Res() reply: Reply): Promise<void> {
      this.answer(reply, statusPage(await this.view()), pageHeaders());
    }

    @Get('report')
    async report(@Res() reply: Reply): Promise<void> {
      const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' };
      this.answer(reply, JSON.stringify(await this.view()), { ...headers, 'X-Content-Type-Options': 'nosniff' });
    }

    @Get('events')
    events(@Res() reply: Reply): void {
      const response = reply.raw ?? (reply as unknown as ServerResponse);
      this.stream.open(response, () => void reply.hijack?.());
    }

    private answer(reply: Reply, body: string, headers: Record<string, string>): void {
      const { httpAdapter } = this.host;
      for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(reply, name, value);
      httpAdapter.reply(reply, body, 200);
    }
  }
  return ConsistentStatusController;
}
