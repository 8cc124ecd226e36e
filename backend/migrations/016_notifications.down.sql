-- Undoes 016_notifications: with it go all notifications and their settings; nothing else depends on them.
DROP TABLE notification_settings;
DROP TABLE notifications;
