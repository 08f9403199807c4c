// AI Watch Buddy, protocol 1.1; by `watchbuddy schema typescript`.
// What a newer server adds is not in it: ignore messages and keys that you do not know.

/** The client is through with an action. */
export interface ActionCompletedMessage {
  type: "action_completed";
  action_id: string;
  outcome?: "done" | "skipped" | "interrupted" | null;
  heard_text?: string | null;
}

/** Which parts of the video are scripted, in media seconds. Feature `progress`. */
export interface CoverageMessage {
  type: "coverage";
  ranges: Array<[number, number]>;
}

/** The body of `POST /api/v1/sessions`. Unknown keys are ignored. */
export interface CreateSession {
  video_url: string;
  start_time?: number | null;
  end_time?: number | null;
  text?: string | null;
  character_id: string;
  user_id?: string | null;
  density?: "muted" | "quiet" | "normal" | "chatty" | null;
  language?: string | null;
}

/** How much the companion says from here on. Feature `feedback`. */
export interface DensityMessage {
  type: "density";
  value: "muted" | "quiet" | "normal" | "chatty";
}

/** The faces a client can be asked to show. */
export type Emotion = "neutral" | "coldness" | "disgust" | "sad" | "worry" | "confusion" | "anger" | "surprise" | "expectation" | "joy" | "excitement" | "pride" | "shy" | "stunned" | "embarrassed" | "play_cool" | "drink_tea";

/** The companion has said goodbye. The video goes on. */
export interface EndReaction {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "END_REACTION";
}

/** A frame from the client was no message; nothing has changed. */
export interface ErrorMessage {
  type: "error";
  error_code: string;
  message: string;
}

/** Make a face. */
export interface Expression {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "EXPRESSION";
  emotion: Emotion;
}

/** The viewer wants more of the companion, or less. Needs the feature `feedback`. */
export interface FeedbackMessage {
  type: "feedback";
  kind: "less" | "more" | "mute" | "unmute";
}

/** The viewer wants to hear no more of what is being said. Needs the feature `chat`. */
export interface InterruptMessage {
  type: "interrupt";
}

/** Something is not as it could be, and the session goes on. Feature `progress`. */
export interface NoticeMessage {
  type: "notice";
  code: string;
  message: string;
}

/** Pause the video for a while. */
export interface PauseVideo {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "PAUSE_VIDEO";
  duration_seconds: number;
}

/** What the player does once a REPLAY_SEGMENT has been played. */
export type PostReplay = "RESUME_FROM_ORIGINAL" | "STAY_PAUSED_AT_END";

/** What the player does once a SEEK has landed. */
export type PostSeek = "RESUME_PLAYBACK" | "STAY_PAUSED";

/** There will be no script. The server closes the connection after it. */
export interface ProcessingErrorMessage {
  type: "processing_error";
  error_code: string;
  message: string;
}

/** How far the preparation is. Feature `progress`; at most four a second, until ready. */
export interface ProgressMessage {
  type: "progress";
  stage: "fetching" | "understanding" | "generating";
  fraction: number | null;
  message: string;
}

/** Play a passage once more. */
export interface ReplaySegment {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "REPLAY_SEGMENT";
  start_timestamp: number;
  end_timestamp: number;
  post_replay_behavior: PostReplay;
}

/** The answer is over. Feature `chat`. */
export interface ReplyFinishedMessage {
  type: "reply_finished";
  message_id: string;
}

/** What follows answers what the viewer said. Feature `chat`. */
export interface ReplyStartedMessage {
  type: "reply_started";
  message_id: string;
}

/** Jump to another position. */
export interface Seek {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "SEEK";
  target_timestamp: number;
  post_seek_behavior: PostSeek;
}

/** The player was moved. */
export interface SeekUpdateMessage {
  type: "seek_update";
  timestamp: number;
  cause?: "user" | "action" | null;
  action_id?: string | null;
}

/** The answer to it. */
export interface SessionCreated {
  session_id: string;
}

/** The script is there. */
export interface SessionReadyMessage {
  type: "session_ready";
}

/** Say a line. Clients say one line after another. */
export interface Speak {
  id: string;
  trigger_timestamp: number;
  comment: string;
  action_type: "SPEAK";
  text: string;
  pause_video: boolean;
}

/** What is being said ends now: the viewer has interrupted. Feature `chat`. */
export interface StopSpeakingMessage {
  type: "stop_speaking";
}

/** What stands for a token in an address: `?ticket=…`. */
export interface Ticket {
  ticket: string;
  expires_in: number;
}

/** What a ticket is to be good for: POST /api/v1/sessions/{session_id}/tickets. */
export interface TicketWish {
  purpose: "connect" | "media";
}

/** Where the player is; several times a second while it plays. */
export interface TimestampUpdateMessage {
  type: "timestamp_update";
  timestamp: number;
  paused?: boolean | null;
  playback_rate?: number | null;
}

/** The answer to `POST /api/v1/uploads`: a file that was taken in whole. */
export interface Upload {
  video_url: string;
  title: string;
  kind: "media" | "subtitles";
  size_bytes: number;
}

/** The viewer says something to the companion. Needs the feature `chat`. */
export interface UserMessage {
  type: "user_message";
  text: string;
}

/** The first message of a connection that asked for features, even for none. */
export interface WelcomeMessage {
  type: "welcome";
  protocol: string;
  session_id: string;
  features: Array<string>;
  character_id: string;
  start_time: number;
  end_time: number | null;
  duration: number | null;
}

export type ClientMessage =
  | TimestampUpdateMessage
  | SeekUpdateMessage
  | ActionCompletedMessage
  | FeedbackMessage
  | UserMessage
  | InterruptMessage;

export type ServerMessage =
  | SessionReadyMessage
  | ProcessingErrorMessage
  | ErrorMessage
  | WelcomeMessage
  | ProgressMessage
  | CoverageMessage
  | NoticeMessage
  | DensityMessage
  | ReplyStartedMessage
  | ReplyFinishedMessage
  | StopSpeakingMessage
  | Speak
  | PauseVideo
  | Seek
  | ReplaySegment
  | Expression
  | EndReaction;

export type Action =
  | Speak
  | PauseVideo
  | Seek
  | ReplaySegment
  | Expression
  | EndReaction;
