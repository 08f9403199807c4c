/**
 * A stand-in for YouTube's IFrame API: the same names, a clock that shows steps of a quarter of
 * a second, and a player that takes its time to obey. `window.youtube` is the hand on it.
 */

(() => {
  const STEP = 0.25;
  const OBEYS_MS = 120;
  const DURATION = 40;
  const PlayerState = { UNSTARTED: -1, ENDED: 0, PLAYING: 1, PAUSED: 2, BUFFERING: 3, CUED: 5 };

  class Player {
    #state = PlayerState.CUED;
    #position = 0;
    #at = performance.now();
    #rate = 1;
    #volume = 100;
    #muted = false;
    /** All that it has gone through. */
    states = [];
    #events;

    constructor(place, { videoId, events, host, playerVars }) {
      this.#events = events;
      this.asked = { videoId, host, playerVars };
      const screen = document.createElement("div");
      screen.className = "stand-in";
      screen.textContent = `YouTube ${videoId}`;
      place.replaceWith(screen);
      window.youtube = this;
      setTimeout(() => events.onReady({ target: this }), OBEYS_MS);
    }

    /** Where it really is. */
    get exactly() {
      const elapsed =
        this.#state === PlayerState.PLAYING ? (performance.now() - this.#at) / 1000 : 0;
      return Math.min(this.#position + elapsed * this.#rate, DURATION);
    }

    #change(state) {
      this.#position = this.exactly;
      this.#at = performance.now();
      if (this.#state === state) return;
      this.#state = state;
      this.states.push(state);
      this.#events.onStateChange?.({ data: state });
    }

    #later(act) {
      setTimeout(act, OBEYS_MS);
    }

    playVideo() {
      this.#later(() => this.#change(PlayerState.PLAYING));
    }
    pauseVideo() {
      this.#later(() => this.#change(PlayerState.PAUSED));
    }
    seekTo(position) {
      this.#later(() => {
        const before = this.#state;
        this.#change(PlayerState.BUFFERING);
        this.#position = position;
        this.#later(() => this.#change(before));
      });
    }
    getCurrentTime() {
      return Math.floor(this.exactly / STEP) * STEP;
    }
    getDuration() {
      return DURATION;
    }
    getPlayerState() {
      return this.exactly >= DURATION ? PlayerState.ENDED : this.#state;
    }
    getPlaybackRate() {
      return this.#rate;
    }
    setPlaybackRate(rate) {
      this.#later(() => {
        this.#position = this.exactly;
        this.#at = performance.now();
        this.#rate = rate;
      });
    }
    getVolume() {
      return this.#volume;
    }
    setVolume(volume) {
      this.#later(() => (this.#volume = volume));
    }
    isMuted() {
      return this.#muted;
    }
    mute() {
      this.#muted = true;
    }
    unMute() {
      this.#muted = false;
    }
    destroy() {
      this.destroyed = true;
    }
  }

  window.YT = { Player, PlayerState };
  window.onYouTubeIframeAPIReady?.();
})();
