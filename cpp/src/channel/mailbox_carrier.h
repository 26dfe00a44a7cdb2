#pragma once

#include <memory>
#include <optional>
#include <string>

#include "channel/carrier.h"
#include "channel/mailbox.h"

namespace tr::channel {

/// Messages through the mailbox; one too long for it goes through `files`, announced by an empty message.
class MailboxCarrier final : public Carrier {
  public:
    MailboxCarrier(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Carrier> files)
        : mailbox_(std::move(mailbox)), files_(std::move(files)) {}

    const char* name() const override { return "mailbox"; }
    const char* tier() const override { return "futex"; }
    bool request_pending() const override { return !mailbox_->received_by_peer(); }
    void publish(const std::string& request) override;
    bool response_pending() const override { return mailbox_->pending(); }
    std::optional<std::string> take() override;
    void acknowledge() override;
    void ring_worker() override { mailbox_->ring_peer(); }
    void prepare() override { bell_ = mailbox_->bell(); }
    void wait(platform::Deadline deadline) override { mailbox_->wait(bell_, deadline); }
    void wake() override { mailbox_->ring_self(); }
    void expect() override {}

  private:
    std::shared_ptr<Mailbox> mailbox_;
    std::shared_ptr<Carrier> files_;
    std::uint32_t bell_ = 0;
    bool by_file_ = false;  ///< the response taken last, or announced and not read yet
};

}  // namespace tr::channel
