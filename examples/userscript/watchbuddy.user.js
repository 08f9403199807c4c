// ==UserScript==
// @name         AI Watch Buddy
// @description  A companion over the player of YouTube and Bilibili, from your own server.
// @version      0.1.0
// @match        https://www.youtube.com/*
// @match        https://www.bilibili.com/*
// @run-at       document-idle
// @noframes
// @grant        none
// ==/UserScript==

/**
 * Puts the companion of your own Watch Buddy server over the site's player.
 *
 * Everything that makes the companion runs in a frame from that server: the same modules as on
 * its own page. Here is but the hand on the site's player. The server has to be told that it may
 * be framed here:
 *
 *     watchbuddy serve --allow-origin https://www.youtube.com --allow-origin https://www.bilibili.com
 */

(() => {
  "use strict";

  /** Where your server is; another one: `localStorage.setItem("watchbuddy.server", …)`. */
  const SERVER = localStorage.getItem("watchbuddy.server") ?? "http://127.0.0.1:8000";

  const SITES = [
    {
      host: "www.youtube.com",
      isWatching: () => location.pathname === "/watch" || location.pathname.startsWith("/shorts/"),
      video: "#movie_player video, ytd-shorts video, video.html5-main-video",
      /** What plays then is not the video: nobody is to talk about it. */
      advertisement: ".ad-showing",
      /** The video alone, without the list that it is played from. */
      link: () => {
        const id = new URL(location.href).searchParams.get("v");
        return id ? `https://www.youtube.com/watch?v=${encodeURIComponent(id)}` : location.href;
      },
    },
    {
      host: "www.bilibili.com",
      isWatching: () => /^\/(video|bangumi)\//.test(location.pathname),
      video: ".bpx-player-video-wrap video, #bilibili-player video",
      advertisement: null,
      link: () => {
        const part = new URL(location.href).searchParams.get("p");
        return `${location.origin}${location.pathname}${part ? `?p=${part}` : ""}`;
      },
    },
  ];
  const REPORT_MS = 100;
  const LOOK_MS = 1000;
  const EVENTS = [
    "play",
    "pause",
    "seeking",
    "seeked",
    "ratechange",
    "waiting",
    "playing",
    "ended",
    "volumechange",
  ];

  const site = SITES.find(({ host }) => host === location.host);
  const origin = new URL(SERVER).origin;
  let shown = null;

  /** The companion at one player, until the site shows another. */
  class Overlay {
    #video;
    #frame;
    #isOver = new AbortController();
    #reporting;
    #isThere = false;
    #room = { width: 130, height: 140 };

    constructor(video, link) {
      this.link = link;
      this.#video = video;
      const { signal } = this.#isOver;
      this.#frame = document.createElement("iframe");
      this.#frame.src = `${SERVER.replace(/\/$/, "")}/overlay`;
      this.#frame.title = "AI Watch Buddy";
      this.#frame.allow = "autoplay";
      Object.assign(this.#frame.style, {
        position: "fixed",
        border: "0",
        zIndex: "2147483000",
        colorScheme: "normal",
        background: "none",
      });
      addEventListener("message", (event) => this.#hear(event), { signal });
      for (const type of EVENTS) video.addEventListener(type, () => this.#report(), { signal });
      document.addEventListener("fullscreenchange", () => this.#settle(), { signal });
      this.#reporting = setInterval(() => this.#report(), REPORT_MS);
      this.#settle();
    }

    /** Whether it is still at the right player. */
    isAt(video, link) {
      return this.#video === video && this.link === link;
    }

    close() {
      this.#isOver.abort();
      clearInterval(this.#reporting);
      this.#frame.remove();
    }

    /** Nothing outside of what is in full screen is shown then. */
    #settle() {
      (document.fullscreenElement ?? document.body).append(this.#frame);
    }

    #post(message) {
      this.#frame.contentWindow?.postMessage(message, origin);
    }

    #report() {
      const { left, right, bottom, width, height } = this.#video.getBoundingClientRect();
      const isSeen = width > 100 && height > 100;
      Object.assign(this.#frame.style, {
        display: isSeen ? "block" : "none",
        width: `${Math.min(this.#room.width, width)}px`,
        height: `${Math.min(this.#room.height, height)}px`,
        left: `${Math.max(right - Math.min(this.#room.width, width) - 8, left)}px`,
        top: `${bottom - Math.min(this.#room.height, height) - 56}px`,
      });
      if (!this.#isThere) return;
      const isAdvertised =
        site.advertisement !== null && document.querySelector(site.advertisement) !== null;
      if (isAdvertised) return; // its clock is that of the advertisement
      const { currentTime, paused, playbackRate, ended, readyState, duration, volume, muted } =
        this.#video;
      this.#post({
        watchbuddy: "player",
        position: currentTime,
        paused,
        rate: playbackRate,
        ended,
        buffering: !paused && readyState < HTMLMediaElement.HAVE_FUTURE_DATA,
        duration: Number.isFinite(duration) ? duration : null,
        volume,
        muted,
      });
    }

    #hear({ source, origin: from, data }) {
      if (source !== this.#frame.contentWindow || from !== origin || !data) return;
      if (data.watchbuddy === "hello") {
        this.#isThere = true;
        this.#post({ watchbuddy: "page", link: this.link, title: document.title });
        this.#report();
      } else if (data.watchbuddy === "size") {
        this.#room = { width: Number(data.width) || 130, height: Number(data.height) || 140 };
        this.#report();
      } else if (data.watchbuddy === "command") {
        this.#obey(data.name, data.value);
        this.#report();
      }
    }

    #obey(name, value) {
      const video = this.#video;
      if (name === "play")
        video.play().catch(() => {}); // the viewer has not touched the page yet
      else if (name === "pause") video.pause();
      else if (name === "seek" && Number.isFinite(value)) video.currentTime = value;
      else if (name === "rate" && value > 0) video.playbackRate = value;
      else if (name === "volume" && value >= 0 && value <= 1) video.volume = value;
      else if (name === "mute") video.muted = value === true;
    }
  }

  /** These sites go from video to video without loading a page. */
  function look() {
    const video = site.isWatching() ? document.querySelector(site.video) : null;
    const link = site.link();
    if (shown && !shown.isAt(video, link)) {
      shown.close();
      shown = null;
    }
    if (!shown && video) shown = new Overlay(video, link);
  }

  if (site) {
    setInterval(look, LOOK_MS);
    look();
  }
})();
